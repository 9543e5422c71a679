package dev.troupe.launcher;

import dev.troupe.actors.pipeline.EvalConfig;
import dev.troupe.actors.pipeline.ModelText;
import dev.troupe.engine.RoleEngine;
import dev.troupe.models.checkpoint.ModelPath;
import dev.troupe.models.peft.Adapter;
import dev.troupe.models.tokenizer.TokenizerFiles;
import dev.troupe.protocol.data.Head;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.RoleSpec;
import dev.troupe.protocol.data.SamplingSettings;
import dev.troupe.protocol.data.Sequence;
import dev.troupe.protocol.data.Tuning;
import dev.troupe.protocol.event.RunEvent;
import dev.troupe.protocol.event.StageCompleted;
import dev.troupe.protocol.event.StageStarted;
import dev.troupe.protocol.event.StepCompleted;
import dev.troupe.rewards.GivenEnvironments;
import dev.troupe.rewards.OutsideScorers;
import dev.troupe.rlhf.data.DataRecord;
import dev.troupe.rlhf.data.Reading;
import dev.troupe.rlhf.data.StageData;
import dev.troupe.rlhf.data.Tokenization;
import dev.troupe.rlhf.data.Tokenized;
import dev.troupe.rlhf.environment.EpisodeSetup;
import dev.troupe.rlhf.environment.Episodes;
import dev.troupe.rlhf.evaluation.Answered;
import dev.troupe.rlhf.evaluation.AnswersConfig;
import dev.troupe.rlhf.evaluation.ClassificationConfig;
import dev.troupe.rlhf.evaluation.Classifier;
import dev.troupe.rlhf.evaluation.Perplexity;
import dev.troupe.rlhf.evaluation.PerplexityConfig;
import dev.troupe.rlhf.evaluation.RewardMeasure;
import dev.troupe.rlhf.evaluation.Watch;
import dev.troupe.rlhf.evaluation.WinRate;
import dev.troupe.rlhf.loss.SftExample;
import dev.troupe.rlhf.port.Learner;
import dev.troupe.rlhf.port.Sampler;
import dev.troupe.rlhf.port.Scorer;
import dev.troupe.rlhf.reward.Rewards;
import dev.troupe.rlhf.reward.Scores;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/** Opens what an evaluation needs, measures, and closes it again. */
final class EvalSession {
  private final EvalConfig config;
  private final PrintWriter err;
  private final Progress progress;

  EvalSession(EvalConfig config, PrintWriter err) {
    this.config = config;
    this.err = err;
    this.progress = Progress.onStandardOutput(err, false);
  }

  /** All measures that the configuration names. Data and rewards are read before any model. */
  EvalReport measure() {
    EvalReport report = new EvalReport();
    report.model(config.model(), config.adapter().orElse(""));
    Path model = Path.of(config.model());
    ModelPath.requireExisting(model);
    directory("adapter", config.adapter());
    directory("reward-model", config.rewardModel());
    config.against().ifPresent(other -> directory("against.model", other.model()));
    config.against().ifPresent(other -> directory("against.adapter", other.adapter()));
    Reading reading = new Reading(this::line, () -> false);
    try (ModelText text = ModelText.load(model, chatTemplate())) {
      Optional<List<Sequence>> texts =
          config.perplexity().map(measure -> texts(measure, text, reading));
      boolean needsTasks = config.answers().isPresent() || config.classification().isPresent();
      List<DataRecord.Task> tasks =
          needsTasks ? StageData.tasks(config.data(), config.seed(), reading) : List.of();
      Optional<Rewards> rewards =
          config
              .answers()
              .map(
                  each ->
                      new Rewards(
                          "answers.rewards", each.rewards(), new OutsideScorers(List.of())));
      rewards.ifPresent(Rewards::check);
      Optional<EpisodeSetup> episodes =
          config
              .environment()
              .map(
                  each ->
                      new EpisodeSetup(
                          "environment",
                          each,
                          config.episodes(),
                          GivenEnvironments.all(List.of()),
                          text));
      Optional<List<Prompt>> prompts =
          rewards.map(each -> prompts(each, text, tasks, episodes, reading));
      reading.notices().forEach(this::line);
      try (RoleEngine.Factory engines = Engines.create(config.engine().device());
          RoleEngine engine = engines.open(policy(config.model(), config.adapter()))) {
        OpenRole role = new OpenRole(engine);
        texts.ifPresent(
            sequences -> report.perplexity(Perplexity.of(role, sequences, watch("perplexity"))));
        if (config.classification().isPresent()) {
          ClassificationConfig classes = config.classification().get();
          report.classification(
              new Classifier(role, text, classes).of(tasks, config.seed(), watch("classify")));
        }
        if (config.answers().isPresent()) {
          answers(
              report,
              config.answers().get(),
              rewards.orElseThrow(),
              prompts.orElseThrow(),
              episodes,
              role,
              engines);
        }
      }
    }
    return report;
  }

  /** As told, or that which the adapter was trained with. */
  private Optional<String> chatTemplate() {
    return config
        .data()
        .chatTemplate()
        .or(() -> TokenizerFiles.chatTemplate(config.adapter().map(Path::of)).map(Path::toString));
  }

  private List<Sequence> texts(PerplexityConfig measure, ModelText text, Reading reading) {
    Tokenized<SftExample> tokenized =
        Tokenization.of(text, config.data(), reading)
            .of("perplexity", "data.sft")
            .sft(StageData.sft(config.data(), config.seed(), reading), measure.tokens());
    tell("perplexity", tokenized, "texts");
    return tokenized.examples().stream().map(SftExample::sequence).toList();
  }

  private List<Prompt> prompts(
      Rewards rewards,
      ModelText text,
      List<DataRecord.Task> tasks,
      Optional<EpisodeSetup> episodes,
      Reading reading) {
    int sampled = config.generation().maxNewTokens();
    int read = episodes.map(it -> it.bounds().maxObservationTokens()).orElse(0);
    if (sampled + read >= text.contextLength()) {
      throw new UserException(
          "generation.max-new-tokens"
              + (episodes.isPresent() ? " + episodes.max-observation-tokens" : "")
              + " is "
              + (sampled + read)
              + " and the model's context is "
              + text.contextLength()
              + " tokens, prompt and answer; lower it");
    }
    Tokenization tokenization =
        Tokenization.of(text, config.data(), reading).of("answers", "data.prompts");
    Tokenized<Prompt> tokenized =
        episodes
            .map(it -> tokenization.offering(it.tools(), it::refusal))
            .orElse(tokenization)
            .prompts(tasks, sampled + read);
    tell("answers", tokenized, "prompts");
    List<Prompt> scorable = rewards.scorable(tokenized.examples());
    int without = tokenized.examples().size() - scorable.size();
    if (without > 0) {
      line("answers: left out " + without + " prompts without an answer to compare with");
    }
    return scorable;
  }

  private void tell(String measure, Tokenized<?> tokenized, String what) {
    line(measure + ": " + tokenized.report().describe(what));
    tokenized.notices().forEach(notice -> line(measure + ": " + notice));
  }

  private void answers(
      EvalReport report,
      AnswersConfig answers,
      Rewards rewards,
      List<Prompt> prompts,
      Optional<EpisodeSetup> episodes,
      OpenRole role,
      RoleEngine.Factory engines) {
    Optional<RoleEngine> reward =
        rewards.needsModel()
            ? config.rewardModel().map(directory -> engines.open(rewardModel(directory)))
            : Optional.empty();
    try {
      Optional<Learner> judge = reward.map(OpenRole::new);
      Scorer scorer = rewards.open(judge);
      try {
        List<Answered> own = answered("answers", answers, role, episodes, scorer, prompts);
        report.answers("answers", RewardMeasure.of(own, answers.rule(), answers.passAt()));
        if (config.against().isPresent()) {
          EvalConfig.AgainstConfig other = config.against().get();
          try (RoleEngine engine =
              engines.open(policy(other.model().orElse(config.model()), other.adapter()))) {
            List<Answered> theirs =
                answered("against", answers, new OpenRole(engine), episodes, scorer, prompts);
            report.answers("against", RewardMeasure.of(theirs, answers.rule(), answers.passAt()));
            report.winRate(WinRate.of(own, theirs));
          }
        }
      } finally {
        scorer.close();
      }
    } finally {
      reward.ifPresent(RoleEngine::close);
    }
  }

  /** Answers given at once, or episodes played in the environment. */
  private List<Answered> answered(
      String measure,
      AnswersConfig answers,
      OpenRole role,
      Optional<EpisodeSetup> episodes,
      Scorer scorer,
      List<Prompt> prompts) {
    SamplingSettings settings = config.generation().settings(config.seed());
    Optional<Episodes> played =
        episodes.map(setup -> setup.open(role, notice -> line(measure + ": " + notice)));
    try {
      Sampler sampler = played.isPresent() ? played.get() : role;
      List<Answered> all =
          Answered.of(sampler, scorer, prompts, answers.perProblem(), settings, watch(measure));
      new Scores(all.stream().flatMap(each -> each.scores().stream()).toList())
          .notices()
          .forEach(notice -> line(measure + ": " + notice));
      return all;
    } finally {
      played.ifPresent(Episodes::close);
    }
  }

  private RoleSpec policy(String model, Optional<String> adapter) {
    return spec("policy", model, adapter, Head.LANGUAGE_MODEL);
  }

  private RoleSpec rewardModel(String directory) {
    return Adapter.isIn(Path.of(directory))
        ? spec("reward", config.model(), Optional.of(directory), Head.VALUE)
        : spec("reward", directory, Optional.empty(), Head.VALUE);
  }

  private RoleSpec spec(String role, String model, Optional<String> adapter, Head head) {
    return new RoleSpec(
        role,
        model,
        adapter,
        new Tuning.Frozen(),
        head,
        Optional.empty(),
        1,
        Optional.empty(),
        0,
        config.engine().numerics());
  }

  private void directory(String key, Optional<String> named) {
    if (named.isEmpty()) {
      return;
    }
    if (!Files.isDirectory(Path.of(named.get()))) {
      throw new UserException(
          key
              + " is "
              + named.get()
              + ", which is no directory; name that of an adapter or of a model");
    }
    ModelText.requireSameTokens(key, Path.of(config.model()), Path.of(named.get()));
  }

  private void line(String line) {
    err.println(line);
    err.flush();
  }

  /** A bar of its own for each measure. */
  private Watch watch(String measure) {
    long start = System.currentTimeMillis();
    progress.accept(
        RunEvent.newBuilder()
            .setTimeMillis(start)
            .setStageStarted(StageStarted.newBuilder().setStage(measure))
            .build());
    return (count, total) -> {
      long now = System.currentTimeMillis();
      progress.accept(
          RunEvent.newBuilder()
              .setTimeMillis(now)
              .setStepCompleted(
                  StepCompleted.newBuilder().setStage(measure).setStep(count).setTotalSteps(total))
              .build());
      if (count == total) {
        progress.accept(
            RunEvent.newBuilder()
                .setTimeMillis(now)
                .setStageCompleted(
                    StageCompleted.newBuilder()
                        .setStage(measure)
                        .setSeconds((now - start) / 1000.0))
                .build());
      }
    };
  }
}
