package dev.troupe.actors.role;

import static org.assertj.core.api.Assertions.assertThat;

import com.typesafe.config.ConfigFactory;
import dev.troupe.protocol.data.BatchTotals;
import dev.troupe.protocol.data.Example;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.Objective;
import dev.troupe.protocol.data.Sequence;
import dev.troupe.protocol.data.TokenIds;
import dev.troupe.protocol.message.RoleWorker;
import dev.troupe.rlhf.loss.Averaging;
import dev.troupe.rlhf.loss.DpoLoss;
import dev.troupe.rlhf.loss.DpoObjective;
import dev.troupe.rlhf.loss.DpoPair;
import dev.troupe.rlhf.loss.Kl;
import dev.troupe.rlhf.loss.KlTerm;
import dev.troupe.rlhf.loss.KtoExample;
import dev.troupe.rlhf.loss.KtoObjective;
import dev.troupe.rlhf.loss.OrpoObjective;
import dev.troupe.rlhf.loss.OrpoPair;
import dev.troupe.rlhf.loss.PolicyExample;
import dev.troupe.rlhf.loss.PolicyObjective;
import dev.troupe.rlhf.loss.PpoValueObjective;
import dev.troupe.rlhf.loss.RankedPair;
import dev.troupe.rlhf.loss.Ratio;
import dev.troupe.rlhf.loss.RewardObjective;
import dev.troupe.rlhf.loss.ScoreObjective;
import dev.troupe.rlhf.loss.ScoredExample;
import dev.troupe.rlhf.loss.SftExample;
import dev.troupe.rlhf.loss.SftObjective;
import dev.troupe.rlhf.loss.Surrogate;
import dev.troupe.rlhf.loss.ValueExample;
import java.io.IOException;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.file.FileSystem;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.stream.Stream;
import org.apache.pekko.actor.typed.ActorSystem;
import org.apache.pekko.actor.typed.javadsl.Adapter;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.serialization.Serialization;
import org.apache.pekko.serialization.SerializationExtension;
import org.junit.jupiter.api.Test;

/** Everything that the algorithms send to a role survives the wire. */
class AlgorithmRegistrationsTest {
  private static final Sequence LONG = Sequence.ofTargets(TokenIds.of(1, 2, 3), 1);
  private static final Sequence LAST = Sequence.ofLast(TokenIds.of(4, 5));
  private static final Floats TWO = Floats.of(0.5f, -1);

  private static List<RoleWorker.Accumulate<?>> samples() {
    List<RoleWorker.Accumulate<?>> samples = new ArrayList<>();
    for (Averaging averaging : Averaging.values()) {
      samples.add(update(new SftObjective(averaging, 0.5), new SftExample(LONG)));
      samples.add(update(new PpoValueObjective(0.2, averaging), new ValueExample(LONG, TWO, TWO)));
      samples.add(
          update(
              new PolicyObjective(0.2, OptionalDouble.of(3), 0.01, averaging, 20),
              new PolicyExample(LONG, TWO, TWO)));
    }
    for (RewardObjective.Kind kind : RewardObjective.Kind.values()) {
      samples.add(update(new RewardObjective(kind, 0), new RankedPair(LAST, LAST, 1.5, 0, 0, 0)));
    }
    for (DpoLoss.Variant variant : DpoLoss.Variant.values()) {
      samples.add(update(new DpoObjective(variant, 0.1, 0), new DpoPair(LONG, LONG, -1, -2)));
    }
    for (SftObjective.Weighting weighting : SftObjective.Weighting.values()) {
      samples.add(update(new SftObjective(Averaging.SEQUENCE, 1, weighting), new SftExample(LONG)));
    }
    for (Ratio ratio : Ratio.values()) {
      for (Surrogate surrogate :
          List.of(
              new Surrogate.Clip(0.2, 0.28, OptionalDouble.empty()),
              new Surrogate.Cispo(5),
              new Surrogate.Sapo(1, 1.05),
              new Surrogate.ImportanceSampling())) {
        for (KlTerm.Gradient gradient : KlTerm.Gradient.values()) {
          if (gradient == KlTerm.Gradient.CORRECTED && ratio != Ratio.TOKEN) {
            continue; // refused: the correction is a token's
          }
          samples.add(
              update(
                  new PolicyObjective(
                      ratio,
                      surrogate,
                      new KlTerm(0.1, Kl.K3, gradient),
                      0,
                      Averaging.SEQUENCE,
                      Double.POSITIVE_INFINITY),
                  new PolicyExample(LONG, TWO, TWO, TWO, 64)));
        }
      }
    }
    samples.add(update(new OrpoObjective(0.1), new OrpoPair(LONG, LONG, 1, 2.5)));
    samples.add(update(new KtoObjective(0.1, 1, 1.5, 0.2, 0.3), new KtoExample(LONG, true, -3)));
    for (ScoreObjective.Kind kind : ScoreObjective.Kind.values()) {
      samples.add(
          update(new ScoreObjective(kind, Averaging.SEQUENCE), new ScoredExample(LONG, TWO)));
    }
    return samples;
  }

  private static <E extends Example> RoleWorker.Accumulate<E> update(
      Objective<E> objective, E example) {
    return new RoleWorker.Accumulate<>(objective, List.of(example), new BatchTotals(2, 3));
  }

  @Test
  void roundTrip_everyObjectiveAndExample_equal() {
    ActorSystem<Void> system =
        ActorSystem.create(
            Behaviors.empty(),
            "algorithms",
            ConfigFactory.parseString("pekko.actor.provider = local")
                .withFallback(ConfigFactory.parseResources("troupe-actors.conf"))
                .withFallback(ConfigFactory.load()));
    try {
      Serialization serialization = SerializationExtension.get(Adapter.toClassic(system));
      for (RoleWorker.Accumulate<?> sample : samples()) {
        byte[] bytes = serialization.serialize(sample).get();
        assertThat(serialization.deserialize(bytes, RoleWorker.Accumulate.class).get())
            .isEqualTo(sample);
      }
    } finally {
      system.terminate();
    }
  }

  @Test
  void classes_holdEveryObjectiveAndExampleOfTheAlgorithms_andEachIsSampled() throws Exception {
    Set<Class<?>> sent = new HashSet<>();
    try (Stream<String> names = classesOfLosses()) {
      for (String name : names.toList()) {
        Class<?> type = Class.forName(name, false, SftObjective.class.getClassLoader());
        if (Objective.class.isAssignableFrom(type) || Example.class.isAssignableFrom(type)) {
          sent.add(type);
        }
      }
    }
    assertThat(sent).hasSizeGreaterThanOrEqualTo(10);
    assertThat(new AlgorithmRegistrations().classes()).containsAll(sent);
    Set<Class<?>> sampled = new HashSet<>();
    for (RoleWorker.Accumulate<?> sample : samples()) {
      sampled.add(sample.objective().getClass());
      sampled.add(sample.examples().get(0).getClass());
    }
    assertThat(sampled).isEqualTo(sent);
  }

  /** Names of the compiled classes beside {@link SftObjective}, in a directory or in a jar. */
  private static Stream<String> classesOfLosses() throws IOException, URISyntaxException {
    URI place = SftObjective.class.getProtectionDomain().getCodeSource().getLocation().toURI();
    String folder = SftObjective.class.getPackageName().replace('.', '/');
    List<Path> files = new ArrayList<>();
    if (Files.isDirectory(Path.of(place))) {
      try (Stream<Path> listed = Files.list(Path.of(place).resolve(folder))) {
        listed.forEach(files::add);
      }
    } else {
      try (FileSystem jar = FileSystems.newFileSystem(Path.of(place));
          Stream<Path> listed = Files.list(jar.getPath(folder))) {
        listed.forEach(files::add);
      }
    }
    return files.stream()
        .map(file -> String.valueOf(file.getFileName()))
        .filter(file -> file.endsWith(".class") && !file.equals("package-info.class"))
        .map(file -> SftObjective.class.getPackageName() + "." + file.replace(".class", ""));
  }
}
