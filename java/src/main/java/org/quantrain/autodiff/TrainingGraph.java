package org.quantrain.autodiff;

import java.util.Map;
import org.quantrain.graph.Graph;
import org.quantrain.graph.Value;

/**
 * A forward graph with its gradient nodes.
 *
 * @param gradients for each parameter that the loss depends on, the value that holds its gradient
 */
public record TrainingGraph(Graph graph, Map<Value, Value> gradients) {}
