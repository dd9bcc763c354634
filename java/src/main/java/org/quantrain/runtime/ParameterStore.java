package org.quantrain.runtime;

import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.Collection;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.quantrain.graph.Value;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.TensorSpec;

/**
 * The contents of a model on a backend, shared by every plan over it: parameters, gradients and
 * velocities at equal offsets of three arenas, so that the optimizer is one launch, and state in a
 * fourth. Entries stand in the order given, 64-byte aligned; the padding between them is zero and
 * stays zero.
 */
public final class ParameterStore implements AutoCloseable {
  private static final long ALIGNMENT = 64;

  /** Where a value lies in its arena, or in each of the three arenas of a parameter. */
  private record Entry(Value value, long offset) {}

  private final Backend backend;
  private final Map<String, Entry> entries = new LinkedHashMap<>();
  private final Map<Arena, Memory> arenas = new EnumMap<>(Arena.class);
  private final StepScalars scalars;

  /**
   * @param persistent PARAM and STATE values of one or several graphs; equal names are one entry
   * @param contents initial contents of each, by name; names that no value has are ignored
   * @throws QuantrainException listing every value whose specs disagree, that is no float32
   *     parameter, or whose contents are missing or do not fit
   */
  public ParameterStore(
      Backend backend, Collection<Value> persistent, Map<String, HostTensor> contents) {
    this.backend = backend;
    List<String> problems = new ArrayList<>();
    long params = 0;
    long state = 0;
    for (Value value : persistent) {
      Entry known = entries.get(value.name());
      if (known != null) {
        if (!known.value.spec().equals(value.spec()) || known.value.role() != value.role()) {
          problems.add(
              value.role()
                  + " "
                  + value
                  + " is also "
                  + known.value.role()
                  + " "
                  + known.value.spec());
        }
      } else if (!value.isPersistent()) {
        problems.add(value + ": expected a PARAM or STATE, got " + value.role());
      } else if (value.role() == Value.Role.PARAM) {
        if (value.spec().dtype() != DType.F32) {
          problems.add(value + ": expected a float32 parameter");
        }
        entries.put(value.name(), new Entry(value, params));
        params = align(params + value.spec().bytes());
      } else {
        entries.put(value.name(), new Entry(value, state));
        state = align(state + value.spec().bytes());
      }
    }
    for (Entry entry : entries.values()) {
      HostTensor initial = contents.get(entry.value.name());
      if (initial == null) {
        problems.add(entry.value + " has no initial contents");
      } else if (!initial.spec().equals(entry.value.spec())) {
        problems.add(entry.value + " has initial contents " + initial.spec());
      }
    }
    if (!problems.isEmpty()) {
      throw new QuantrainException("parameters: " + String.join("; ", problems));
    }
    scalars = new StepScalars(backend);
    for (Arena arena : List.of(Arena.PARAMS, Arena.GRADS, Arena.OPTIMIZER)) {
      arenas.put(arena, backend.allocate(Math.max(params, ALIGNMENT)));
    }
    arenas.put(Arena.STATE, backend.allocate(Math.max(state, ALIGNMENT)));
    entries.keySet().forEach(name -> set(name, contents.get(name)));
  }

  private static long align(long bytes) {
    return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  }

  public Backend backend() {
    return backend;
  }

  public StepScalars scalars() {
    return scalars;
  }

  public boolean contains(String name) {
    return entries.containsKey(name);
  }

  /** PARAM and STATE values in the order of their entries. */
  public List<Value> values() {
    return entries.values().stream().map(Entry::value).toList();
  }

  /** PARAM values in the order of their entries. */
  public List<Value> params() {
    return values().stream().filter(v -> v.role() == Value.Role.PARAM).toList();
  }

  /** Copy of the contents of a parameter or state. */
  public HostTensor get(String name) {
    Entry entry = entry(name);
    return read(home(entry.value), entry);
  }

  /** Replaces the contents of a parameter or state. */
  public void set(String name, HostTensor contents) {
    Entry entry = entry(name);
    write(home(entry.value), entry, contents);
  }

  /** Copies of all parameters and state by name, in the order of their entries. */
  public Map<String, HostTensor> snapshot() {
    Map<String, HostTensor> out = new LinkedHashMap<>();
    entries.keySet().forEach(name -> out.put(name, get(name)));
    return out;
  }

  /** Sets those entries that are in {@code contents}. */
  public void restore(Map<String, HostTensor> contents) {
    contents.forEach(
        (name, tensor) -> {
          if (contains(name)) {
            set(name, tensor);
          }
        });
  }

  /** Copy of the optimizer's velocity of a parameter. */
  public HostTensor velocity(String param) {
    return read(Arena.OPTIMIZER, param(param));
  }

  public void setVelocity(String param, HostTensor velocity) {
    write(Arena.OPTIMIZER, param(param), velocity);
  }

  /** Copies of all velocities by the name of their parameter. */
  public Map<String, HostTensor> velocities() {
    Map<String, HostTensor> out = new LinkedHashMap<>();
    params().forEach(v -> out.put(v.name(), velocity(v.name())));
    return out;
  }

  /** Starts the optimizer anew. */
  public void clearVelocities() {
    Memory velocities = memory(Arena.OPTIMIZER);
    velocities.zeroing(0, velocities.bytes()).run();
  }

  /** Copy of the gradient that the last training run left. */
  public HostTensor gradient(String param) {
    return read(Arena.GRADS, param(param));
  }

  /** Parameters whose gradient holds a NaN or an infinity. */
  public List<String> nonFiniteGradients() {
    List<String> found = new ArrayList<>();
    for (Value param : params()) {
      FloatBuffer gradient = pulled(Arena.GRADS, entry(param.name())).asFloatBuffer();
      // A sum of magnitudes would overflow on its own; zero times x is NaN exactly where x is not
      // finite.
      float sum = 0;
      for (int i = 0; i < gradient.limit(); i++) {
        sum += 0 * gradient.get(i);
      }
      if (sum != 0) {
        found.add(param.name());
      }
    }
    return found;
  }

  /** PARAMS, GRADS, OPTIMIZER or STATE. */
  public Memory memory(Arena arena) {
    return arenas.get(arena);
  }

  /**
   * Offset of a state in STATE, or of a parameter in PARAMS, GRADS and OPTIMIZER, in bytes.
   *
   * @throws IllegalArgumentException if there is none of this name, role and spec
   */
  public long offset(Value value) {
    Entry entry = entry(value.name());
    if (!entry.value.spec().equals(value.spec()) || entry.value.role() != value.role()) {
      throw new IllegalArgumentException(
          value.role()
              + " "
              + value
              + ": the store holds "
              + entry.value.role()
              + " "
              + entry.value.spec());
    }
    return entry.offset;
  }

  /** Where the contents of a value lie. */
  public static Arena home(Value value) {
    return value.role() == Value.Role.PARAM ? Arena.PARAMS : Arena.STATE;
  }

  private Entry entry(String name) {
    Entry entry = entries.get(name);
    if (entry == null) {
      throw new IllegalArgumentException("no parameter or state is called " + name);
    }
    return entry;
  }

  private Entry param(String name) {
    Entry entry = entry(name);
    if (entry.value.role() != Value.Role.PARAM) {
      throw new IllegalArgumentException(
          name + ": expected a parameter, got " + entry.value.role());
    }
    return entry;
  }

  private HostView view(Arena arena, Entry entry) {
    return memory(arena).host(entry.offset, entry.value.spec().bytes());
  }

  private ByteBuffer pulled(Arena arena, Entry entry) {
    HostView view = view(arena, entry);
    view.pull();
    return view.buffer();
  }

  private HostTensor read(Arena arena, Entry entry) {
    HostTensor out = HostTensor.zeros(entry.value.spec());
    out.buffer().put(pulled(arena, entry));
    return out;
  }

  private void write(Arena arena, Entry entry, HostTensor contents) {
    TensorSpec expected = entry.value.spec();
    if (!contents.spec().equals(expected)) {
      throw new IllegalArgumentException(
          entry.value.name() + ": expected " + expected + ", got " + contents.spec());
    }
    HostView view = view(arena, entry);
    view.buffer().put(contents.buffer());
    view.push();
  }

  @Override
  public void close() {
    arenas.values().forEach(Memory::close);
    scalars.close();
  }
}
