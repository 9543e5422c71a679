package dev.troupe.launcher;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.function.UnaryOperator;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What SLURM gave a job, as its batch script's environment tells it (sbatch(1), output environment
 * variables).
 *
 * @param hosts a host as often as the job has tasks there, in SLURM's order
 * @param cpusPerTask where the job asked for a number
 * @param gpusPerHost where it asked for any
 */
record SlurmAllocation(List<String> hosts, OptionalInt cpusPerTask, OptionalInt gpusPerHost) {
  /** A number of tasks, and on how many hosts one after another. */
  private static final Pattern TASKS = Pattern.compile("(\\d+)(?:\\(x(\\d+)\\))?");

  SlurmAllocation {
    hosts = List.copyOf(hosts);
  }

  /** That of the job which this process is in. */
  static SlurmAllocation here() {
    return of(System.getenv(), SlurmAllocation::hostnames);
  }

  private static String hostnames(String list) {
    try {
      Process scontrol =
          new ProcessBuilder("scontrol", "show", "hostnames", list)
              .redirectErrorStream(true)
              .start();
      String lines =
          new String(scontrol.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();
      if (scontrol.waitFor() != 0) {
        throw new UserException("scontrol show hostnames " + list + " failed: " + lines);
      }
      return lines;
    } catch (IOException e) {
      throw new UserException(
          "--slurm needs SLURM's commands on the path, and scontrol cannot be run: "
              + e.getMessage(),
          e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new UserException("interrupted", e);
    }
  }

  /**
   * Reads it.
   *
   * @param environment of this process
   * @param expand a list such as {@code gpu[1-3,7]} to a host a line, as {@code scontrol show
   *     hostnames} does
   * @throws UserException outside of a job, or where this is one of several tasks
   */
  static SlurmAllocation of(Map<String, String> environment, UnaryOperator<String> expand) {
    String list = environment.get("SLURM_JOB_NODELIST");
    String tasks = environment.get("SLURM_TASKS_PER_NODE");
    if (list == null || tasks == null) {
      throw new UserException(
          "--slurm is for the inside of a SLURM job, and "
              + (list == null ? "SLURM_JOB_NODELIST" : "SLURM_TASKS_PER_NODE")
              + " is not set here; write a batch script by --sbatch FILE and give that to sbatch");
    }
    String others = environment.getOrDefault("SLURM_STEP_NUM_TASKS", "1");
    if (!others.equals("1")) {
      throw new UserException(
          "--slurm starts the job's nodes itself, and this is one of "
              + others
              + " tasks that srun started; call it once, from the batch script or by srun"
              + " --ntasks=1");
    }
    List<String> names =
        expand.apply(list).lines().map(String::strip).filter(line -> !line.isEmpty()).toList();
    List<Integer> counts = counts(tasks);
    if (names.isEmpty() || counts.size() != names.size()) {
      throw new UserException(
          "SLURM_TASKS_PER_NODE is "
              + tasks
              + ", which is for "
              + counts.size()
              + " hosts, and SLURM_JOB_NODELIST, "
              + list
              + ", has "
              + names.size());
    }
    List<String> hosts = new ArrayList<>();
    for (int i = 0; i < names.size(); i++) {
      for (int task = 0; task < counts.get(i); task++) {
        hosts.add(names.get(i));
      }
    }
    return new SlurmAllocation(
        hosts,
        number(environment, "SLURM_CPUS_PER_TASK"),
        number(environment, "SLURM_GPUS_ON_NODE"));
  }

  /** {@code 2(x3),1} is 2, 2, 2, 1. */
  private static List<Integer> counts(String tasks) {
    List<Integer> counts = new ArrayList<>();
    for (String part : tasks.split(",", -1)) {
      Matcher matcher = TASKS.matcher(part.strip());
      if (!matcher.matches()) {
        throw new UserException(
            "SLURM_TASKS_PER_NODE is " + tasks + ", expected numbers such as 2(x3),1");
      }
      String times = matcher.group(2);
      for (int i = 0; i < (times == null ? 1 : Integer.parseInt(times)); i++) {
        counts.add(Integer.parseInt(matcher.group(1)));
      }
    }
    return counts;
  }

  private static OptionalInt number(Map<String, String> environment, String name) {
    String value = environment.getOrDefault(name, "");
    return value.matches("\\d{1,6}")
        ? OptionalInt.of(Integer.parseInt(value))
        : OptionalInt.empty();
  }
}
