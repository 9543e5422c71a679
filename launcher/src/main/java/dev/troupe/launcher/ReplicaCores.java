package dev.troupe.launcher;

import dev.troupe.actors.pipeline.PipelineConfig;
import dev.troupe.actors.pipeline.RunForecast;
import dev.troupe.protocol.data.Numerics;
import dev.troupe.rlhf.stage.RoleUse;
import java.util.ArrayList;
import java.util.List;

/** Whether the replicas of a role have work for all their cores. */
final class ReplicaCores {
  private ReplicaCores() {}

  /**
   * Of each role in a stage whose replicas have more cores than a step has micro-batches, a line.
   *
   * @param lanes cores of a node that train side by side
   */
  static List<String> idle(RunForecast forecast, int lanes) {
    PipelineConfig config = forecast.config();
    ModelSize model = RunMemory.model(config);
    Numerics numerics = config.engine().numerics();
    List<String> idle = new ArrayList<>();
    for (RunForecast.Planned planned : forecast.stages()) {
      long longest = RunMemory.longest(planned.forecast(), config, model);
      for (RoleUse role : planned.stage().roles()) {
        int replicas = config.cluster().replicas().getOrDefault(role.name(), 1);
        if (replicas == 1 || role.training().isEmpty()) {
          continue;
        }
        RoleUse.Training training = role.training().get();
        long most =
            model.mostMicroBatches(
                training.optimizer(),
                numerics,
                RunMemory.sequences(training, planned.forecast()),
                longest);
        long cores = (long) replicas * lanes;
        if (cores > most) {
          idle.add(
              "a step of the "
                  + role.name()
                  + " in "
                  + planned.name()
                  + " has at most "
                  + most
                  + (most == 1 ? " micro-batch" : " micro-batches")
                  + ", fewer than the "
                  + cores
                  + " cores of its "
                  + replicas
                  + " replicas on nodes like this one: some will have nothing to do. Smaller"
                  + " micro-batch-tokens of its optimizer cut it finer, more samples a step give"
                  + " more to do");
        }
      }
    }
    return idle;
  }
}
