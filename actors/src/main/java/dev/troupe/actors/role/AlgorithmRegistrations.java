package dev.troupe.actors.role;

import dev.troupe.protocol.kryo.KryoRegistrations;
import dev.troupe.protocol.kryo.ProtocolRegistrations;
import dev.troupe.rlhf.loss.KtoExample;
import dev.troupe.rlhf.loss.KtoObjective;
import dev.troupe.rlhf.loss.OrpoObjective;
import dev.troupe.rlhf.loss.OrpoPair;
import dev.troupe.rlhf.loss.ScoreObjective;
import dev.troupe.rlhf.loss.ScoredExample;
import dev.troupe.rlhf.stage.Stages;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.RecordComponent;
import java.lang.reflect.Type;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * The stages' objectives and examples, which travel to the roles that train, with the records,
 * enums and sealed interfaces that they are made of. Their numbers follow from their names, in
 * whatever order stages are found.
 */
public final class AlgorithmRegistrations implements KryoRegistrations {
  /** Of losses that no built-in stage has and others may use. */
  private static final List<Class<?>> FURTHER =
      List.of(
          OrpoObjective.class,
          OrpoPair.class,
          KtoObjective.class,
          KtoExample.class,
          ScoreObjective.class,
          ScoredExample.class);

  @Override
  public List<Class<?>> classes() {
    Set<Class<?>> seen = new HashSet<>(new ProtocolRegistrations().classes());
    Set<Class<?>> found = new HashSet<>();
    FURTHER.forEach(type -> collect(type, seen, found));
    Stages.all().forEach(stage -> stage.wire().forEach(type -> collect(type, seen, found)));
    List<Class<?>> sorted = new ArrayList<>(found);
    sorted.sort(Comparator.comparing(Class::getName));
    return sorted;
  }

  private static void collect(Type type, Set<Class<?>> seen, Set<Class<?>> found) {
    if (type instanceof ParameterizedType generic) {
      collect(generic.getRawType(), seen, found);
      for (Type argument : generic.getActualTypeArguments()) {
        collect(argument, seen, found);
      }
    } else if (type instanceof Class<?> plain && seen.add(plain)) {
      if (plain.isRecord()) {
        found.add(plain);
        for (RecordComponent component : plain.getRecordComponents()) {
          collect(component.getGenericType(), seen, found);
        }
      } else if (plain.isEnum()) {
        found.add(plain);
      } else if (plain.isSealed()) {
        for (Class<?> permitted : plain.getPermittedSubclasses()) {
          collect(permitted, seen, found);
        }
      }
    }
  }
}
