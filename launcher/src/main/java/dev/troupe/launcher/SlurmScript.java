package dev.troupe.launcher;

import dev.troupe.actors.pipeline.PipelineConfig;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;

/**
 * A batch script that runs a configuration as a SLURM job: as many hosts as it has node roles and
 * rollout workers, a task each. Before the job's time is over SLURM signals the script, the run
 * writes a checkpoint and ends, and the job is queued again and goes on with it.
 *
 * @param text of the script
 */
record SlurmScript(String text) {
  /** Seconds before the end at which the run is asked to stop. */
  private static final int NOTICE = 300;

  static SlurmScript of(PipelineConfig config, RunOptions options, int rollouts) {
    String output = Invocation.quoted(absolute(Path.of(config.output())));
    String home = System.getenv().getOrDefault("TROUPE_HOME", System.getProperty("user.dir"));
    String command =
        Invocation.quoted(absolute(Path.of(home, "troupe")))
            + " launch --slurm $resume "
            + options.arguments().stream().map(Invocation::quoted).collect(Collectors.joining(" "));
    List<String> roles = NodePlan.roles(config);
    boolean gpu = config.engine().device().startsWith("cuda");
    return new SlurmScript(
        String.format(
            Locale.ROOT,
            """
        #!/bin/bash
        # %s: %s.
        # Troupe, Java, the model and the output directory are under the same paths on all hosts.
        #SBATCH --job-name=troupe-%s
        #SBATCH --nodes=%d
        #SBATCH --ntasks-per-node=1
        %s
        #SBATCH --time=24:00:00
        #SBATCH --signal=B:USR1@%d
        #SBATCH --requeue
        #SBATCH --open-mode=append
        #SBATCH --output=troupe-%%j.log
        # Most clusters want some of these:
        ##SBATCH --partition=
        ##SBATCH --account=
        ##SBATCH --cpus-per-task=
        ##SBATCH --mem=
        set -u
        cd %s

        # A job that was queued again goes on from its last checkpoint.
        resume=
        if [ "${SLURM_RESTART_COUNT:-0}" -gt 0 ] && [ -e %s/identity.json ]; then resume=--resume; fi

        %s &
        run=$!
        again=
        trap 'again=yes; kill -TERM "$run"' USR1  # its time is nearly over
        trap 'kill -TERM "$run"' TERM INT
        code=0
        wait "$run" || code=$?
        while kill -0 "$run" 2>/dev/null; do code=0; wait "$run" || code=$?; done
        if [ -n "$again" ] && [ "$code" -eq %d ]; then scontrol requeue "$SLURM_JOB_ID"; fi
        exit "$code"
        """,
            options.arguments().get(0),
            "node roles "
                + String.join(", ", roles)
                + (rollouts > 0 ? ", and " + rollouts + " rollout workers" : ""),
            Path.of(config.output()).getFileName().toString().replaceAll("[^\\w.-]", "-"),
            roles.size() + rollouts,
            gpu ? "#SBATCH --gpus-per-node=1" : "##SBATCH --gpus-per-node=1",
            NOTICE,
            Invocation.quoted(absolute(Path.of(""))),
            output,
            command,
            ExitCode.TERMINATED));
  }

  private static String absolute(Path path) {
    return path.toAbsolutePath().normalize().toString();
  }

  /** What to do with it. */
  static String next(Path file) {
    return "written: "
        + file
        + "; look at its #SBATCH lines, then: sbatch "
        + Invocation.quoted(file.toString());
  }
}
