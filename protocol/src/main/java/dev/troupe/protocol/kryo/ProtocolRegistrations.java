package dev.troupe.protocol.kryo;

import dev.troupe.protocol.data.Accumulated;
import dev.troupe.protocol.data.BatchTotals;
import dev.troupe.protocol.data.Episode;
import dev.troupe.protocol.data.FinishReason;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.Head;
import dev.troupe.protocol.data.LearningRateSchedule;
import dev.troupe.protocol.data.Numerics;
import dev.troupe.protocol.data.OptimizerSettings;
import dev.troupe.protocol.data.Output;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.Quantisation;
import dev.troupe.protocol.data.RoleSpec;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.data.SamplingSettings;
import dev.troupe.protocol.data.Sequence;
import dev.troupe.protocol.data.Share;
import dev.troupe.protocol.data.Span;
import dev.troupe.protocol.data.StepResult;
import dev.troupe.protocol.data.StepSettings;
import dev.troupe.protocol.data.Storage;
import dev.troupe.protocol.data.TokenIds;
import dev.troupe.protocol.data.TokenOutputs;
import dev.troupe.protocol.data.Tuning;
import dev.troupe.protocol.message.Node;
import dev.troupe.protocol.message.RoleStatus;
import dev.troupe.protocol.message.RoleWorker;
import java.util.List;

/**
 * The classes of this module that cross the wire. Append only, but for those that went with an
 * earlier protocol version: nodes of another one must understand how they are refused.
 */
public final class ProtocolRegistrations implements KryoRegistrations {
  @Override
  public List<Class<?>> classes() {
    return List.of(
        TokenIds.class,
        Floats.class,
        Prompt.class,
        FinishReason.class,
        SamplingSettings.class,
        Rollout.class,
        Sequence.class,
        TokenOutputs.class,
        Output.class,
        StepResult.class,
        BatchTotals.class,
        RoleSpec.class,
        Tuning.Frozen.class,
        Tuning.Lora.class,
        Tuning.Full.class,
        Head.class,
        OptimizerSettings.class,
        LearningRateSchedule.class,
        LearningRateSchedule.Shape.class,
        RoleWorker.Request.class,
        RoleWorker.Stop.class,
        RoleWorker.Load.class,
        RoleWorker.Generate.class,
        RoleWorker.Evaluate.class,
        RoleWorker.Accumulate.class,
        RoleWorker.Save.class,
        RoleWorker.Checkpoint.class,
        RoleWorker.Restore.class,
        RoleWorker.Generated.class,
        RoleWorker.Evaluated.class,
        RoleWorker.Stepped.class,
        RoleWorker.Finished.class,
        RoleWorker.Failed.class,
        RoleStatus.class,
        Node.Introduce.class,
        Node.Introduced.class,
        Node.Open.class,
        Node.Opened.class,
        Node.Leave.class,
        Tuning.Lora.Start.class,
        Tuning.Lora.Bias.class,
        Numerics.class,
        Storage.class,
        RoleWorker.Lend.class,
        RoleWorker.Take.class,
        RoleWorker.Fetch.class,
        RoleWorker.Lent.class,
        RoleWorker.Fetched.class,
        Node.Report.class,
        Node.Refused.class,
        RoleWorker.Step.class,
        RoleWorker.Gradient.class,
        Accumulated.class,
        StepSettings.class,
        Episode.class,
        Episode.End.class,
        Episode.Failure.class,
        Node.Dismiss.class,
        Node.Terms.class,
        Numerics.Kernels.class,
        Span.class,
        Share.class,
        RoleWorker.Together.class,
        RoleWorker.EvaluateShare.class,
        RoleWorker.EvaluatedShare.class,
        RoleWorker.AccumulateShare.class,
        RoleWorker.StepShare.class,
        RoleWorker.SaveShare.class,
        RoleWorker.FetchSum.class,
        RoleWorker.FetchFigures.class,
        RoleWorker.FiguresOf.class,
        RoleWorker.Figures.class,
        RoleWorker.Fingerprint.class,
        RoleWorker.Fingerprinted.class,
        Numerics.Strict.class,
        Numerics.Cache.class,
        Quantisation.class,
        RoleWorker.Carriage.class,
        RoleWorker.Carry.class,
        RoleWorker.Carries.class,
        RoleWorker.FetchAddress.class,
        RoleWorker.FetchEnd.class,
        RoleWorker.Address.class,
        Tuning.Bitfit.class,
        Tuning.LnTuning.class,
        Tuning.Partial.class,
        Tuning.Ia3.class,
        Tuning.Loha.class,
        Tuning.Lokr.class,
        Tuning.Oft.class,
        Tuning.Vera.class,
        Tuning.Boft.class,
        Tuning.Prefix.class,
        Tuning.Prompt.class,
        Tuning.Prompt.Beginning.class,
        Tuning.PTuning.class,
        Tuning.Adalora.class);
  }
}
