package org.quantrain.graph;

import java.util.Map;
import org.quantrain.tensor.HostTensor;

/**
 * A float network with its contents.
 *
 * @param graph one input [N,C,H,W] and one output, the logits [N,classes]; batch norm in TRAIN mode
 * @param contents values of every PARAM and STATE of the graph, by name
 */
public record Model(String name, Graph graph, Map<String, HostTensor> contents) {
  public Model {
    contents = Map.copyOf(contents);
    for (Value v : graph.persistent()) {
      HostTensor t = contents.get(v.name());
      if (t == null || !t.spec().equals(v.spec())) {
        throw new GraphException(
            "model "
                + name
                + ": "
                + v
                + (t == null ? " has no contents" : " has contents " + t.spec()));
      }
    }
  }

  public Model withContents(Map<String, HostTensor> other) {
    return new Model(name, graph, other);
  }
}
