package dev.troupe.rlhf.stage;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.ServiceConfigurationError;
import java.util.ServiceLoader;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/** Which stages there are. */
public final class Stages {
  /** In the order that a run has them, which is the configuration reference's. */
  private static final List<Stage<?>> BUILT_IN =
      List.of(
          new PretrainStage(),
          new SftStage(),
          new RewardStage(),
          new PpoStage(),
          new DpoStage(),
          new GrpoStage(),
          new KtoStage(),
          new OrpoStage());

  private static final Pattern NAME = Pattern.compile("[a-z][a-z0-9]*(-[a-z0-9]+)*");

  /** Other keys of a configuration, and other things in a run's directory. */
  private static final Set<String> TAKEN =
      Set.of(
          "output",
          "model",
          "start",
          "stages",
          "seed",
          "limits",
          "quickstart",
          "engine",
          "dashboard",
          "cluster",
          "checkpoints",
          "data",
          "sections",
          "template",
          "base",
          "fresh",
          "policy",
          "nodes",
          "tensorboard");

  private Stages() {}

  /** Once, on first use: equal configurations hold the same stages. */
  private static final class Found {
    static final List<Stage<?>> ALL = together(BUILT_IN, services());
  }

  /**
   * The built-in ones, and then those on the class path, by name.
   *
   * @throws StageException when one of these cannot be a stage
   */
  public static List<Stage<?>> all() {
    return Found.ALL;
  }

  public static Optional<Stage<?>> named(String name) {
    return all().stream().filter(stage -> stage.name().equals(name)).findFirst();
  }

  /** The names of all. */
  public static List<String> names() {
    return all().stream().map(Stage::name).collect(Collectors.toUnmodifiableList());
  }

  /** Checks names, and puts found ones behind the built-in ones. */
  static List<Stage<?>> together(List<Stage<?>> builtIn, List<Stage<?>> found) {
    List<Stage<?>> all = new ArrayList<>(builtIn);
    found.stream().sorted(Comparator.comparing(Stage::name)).forEach(all::add);
    Map<String, Stage<?>> byName = new HashMap<>();
    Map<String, Stage<?>> byDirectory = new HashMap<>();
    for (Stage<?> stage : all) {
      String name = stage.name();
      if (!NAME.matcher(name).matches() || TAKEN.contains(name)) {
        throw new StageException(
            "the stage "
                + stage.getClass().getName()
                + " has the name '"
                + name
                + (TAKEN.contains(name)
                    ? "', which a run uses otherwise; choose another"
                    : "'; expected lower-case letters, digits and single dashes, a letter first"));
      }
      Stage<?> same = byName.put(name, stage);
      if (same == null) {
        same = byDirectory.put(stage.directory(), stage);
      }
      if (same != null) {
        throw new StageException(
            "two stages have the name '"
                + name
                + "': "
                + same.getClass().getName()
                + " and "
                + stage.getClass().getName()
                + "; give one of them another, or take it from the class path");
      }
    }
    return List.copyOf(all);
  }

  private static List<Stage<?>> services() {
    List<Stage<?>> found = new ArrayList<>();
    try {
      ServiceLoader.load(Stage.class, Stage.class.getClassLoader()).forEach(found::add);
    } catch (ServiceConfigurationError e) {
      throw new StageException(
          "a stage that META-INF/services/" + Stage.class.getName() + " names cannot be made: " + e,
          e);
    }
    return found;
  }
}
