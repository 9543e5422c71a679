package dev.troupe.rewards;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.troupe.protocol.data.Rollout;
import dev.troupe.rlhf.port.Score;
import dev.troupe.rlhf.port.Scorer;
import dev.troupe.rlhf.port.ScorerException;
import dev.troupe.rlhf.reward.RewardConfig;
import dev.troupe.rlhf.reward.RewardConfig.Code.Credit;
import dev.troupe.rlhf.reward.Scores;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.SocketTimeoutException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Programs as shell scripts, which are there wherever the sandbox is. */
@Timeout(120)
class CodeScorerTest {
  private static final Sandbox SANDBOX = sandbox(5, 256);

  private static Sandbox sandbox(double seconds, int megabytes) {
    return new Sandbox(new Sandbox.Limits(seconds, megabytes, 16), 2);
  }

  private static RewardConfig.Code config(Credit credit, double seconds) {
    return new RewardConfig.Code(
        1, "tests", List.of("/bin/sh", "{file}"), "main.sh", credit, seconds, 256, 16, 2);
  }

  private static boolean available() {
    try {
      SANDBOX.checked("test");
      return true;
    } catch (ScorerException e) {
      return false;
    }
  }

  private static Sandbox.Outcome run(Sandbox sandbox, String script, String input)
      throws IOException {
    assumeTrue(available(), "no sandbox here");
    Path job = Sandbox.job("main.sh", script);
    try {
      return sandbox.checked("test").run(job, List.of("/bin/sh", Sandbox.path("main.sh")), input);
    } finally {
      Files.delete(job.resolve("main.sh"));
      Files.delete(job);
    }
  }

  private static Sandbox.Outcome run(String script) throws IOException {
    return run(SANDBOX, script, "");
  }

  @Test
  void withoutASandbox_nothingIsRun_andTheErrorSaysWhatIsMissing() {
    Sandbox without = new Sandbox(SANDBOX.limits(), 2, "no-such-bwrap", Sandbox.Counting.EACH);
    assertThatThrownBy(() -> without.checked("g.code"))
        .isInstanceOf(ScorerException.class)
        .hasMessageStartingWith(
            "g.code: programs are run in a sandbox alone, and there is none here: ")
        .hasMessageContaining("no-such-bwrap")
        .hasMessageContaining("apt install bubblewrap");
    if (!available()) {
      assertThatThrownBy(() -> new OutsideScorers(List.of()).make("g.code", config(Credit.ALL, 5)))
          .isInstanceOf(ScorerException.class);
    }
  }

  @Test
  void programs_seeTheirInput_andWhatTheyPrintComesOut() throws IOException {
    Sandbox.Outcome outcome = run(SANDBOX, "read a; echo got $a; echo oops >&2", "seven\n");
    assertThat(outcome)
        .isEqualTo(new Sandbox.Outcome(Sandbox.Ending.DONE, "got seven\n", "oops\n"));
    assertThat(run("exit 3").ending()).isEqualTo(Sandbox.Ending.FAILED);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "writing outside  | echo x > /job/y",
        "writing to root  | echo x > /y",
        "writing to usr   | echo x > /usr/y",
        "writing to dev   | echo x > /dev/y",
        "seeing users     | cat /etc/passwd",
        "seeing home      | ls /root /home",
        "a device's list  | ls /sys/class",
        "a larger file    | head -c 20000000 /dev/zero > /tmp/large",
        "a full tmp       | for i in 1 2 3 4 5 6 7 8 9; do head -c 9000000 /dev/zero > /tmp/$i ||"
            + " exit 1; done",
      })
  void attack_fails(String what, String script) throws IOException {
    Sandbox.Outcome outcome = run(script);
    assertThat(outcome.ending()).as("%s: %s", what, outcome).isEqualTo(Sandbox.Ending.FAILED);
  }

  @Test
  void environmentAndOtherProcesses_areNotToBeSeen() throws IOException {
    Sandbox.Outcome outcome =
        run(
            "cat /proc/*/environ | tr '\\0' '\\n"
                + "' | grep -v -e ^PATH -e ^HOME -e ^LANG -e ^PYTHONHASHSEED -e ^PWD; ls -d"
                + " /proc/[0-9]* | wc -l");
    String[] lines = outcome.output().strip().split("\n");
    assertThat(lines).as(outcome.toString()).hasSize(1);
    assertThat(Integer.parseInt(lines[0])).as("processes").isLessThan(8);
  }

  @Test
  void network_isALoopbackOfItsOwn() throws IOException {
    assertThat(run("cat /proc/net/dev | tail -n +3 | cut -d: -f1").output().strip())
        .isEqualTo("lo");
  }

  /** A service of this machine, which the same script reaches from outside. */
  @Test
  void network_ofThisMachine_isNotReached() throws IOException, InterruptedException {
    try (ServerSocket service = new ServerSocket(0, 50, InetAddress.getLoopbackAddress())) {
      service.setSoTimeout(20_000);
      String reach =
          "bash -c 'exec 3<>/dev/tcp/127.0.0.1/" + service.getLocalPort() + " && echo reached'";
      Process outside = new ProcessBuilder("/bin/sh", "-c", reach).start();
      String told = new String(outside.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      assertThat(outside.waitFor()).isZero();
      assertThat(told).isEqualTo("reached\n");
      service.accept().close();

      service.setSoTimeout(100);
      Sandbox.Outcome within = run(reach);
      assertThat(within.ending()).as(within.toString()).isEqualTo(Sandbox.Ending.FAILED);
      assertThat(within.errors()).contains("Connection refused");
      assertThatThrownBy(service::accept).isInstanceOf(SocketTimeoutException.class);
    }
  }

  @Test
  void sleep_endsByTheClock() throws IOException {
    Sandbox brief = sandbox(0.5, 256);
    assertThat(run(brief, "sleep 1000", "").ending()).isEqualTo(Sandbox.Ending.TIME);
    assertThat(run(brief, "while :; do :; done", "").ending()).isEqualTo(Sandbox.Ending.TIME);
  }

  @Test
  void endlessOutput_isCut() throws IOException {
    Sandbox.Outcome outcome =
        run("while :; do echo aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa; done");
    assertThat(outcome.ending()).isEqualTo(Sandbox.Ending.OUTPUT);
    assertThat(outcome.output().length()).isLessThan(2_000_000);
  }

  @Test
  void forks_areLimited_andNoneSurvives() throws IOException {
    Sandbox brief = sandbox(2, 256);
    Sandbox.Outcome outcome =
        run(
            brief,
            "n=0; while [ $n -lt 300 ]; do sleep 777 & n=$((n+1)); done; echo forked all",
            "");
    assertThat(outcome.output()).doesNotContain("forked all");
    assertThat(
            ProcessHandle.allProcesses()
                .filter(p -> p.info().commandLine().orElse("").contains("sleep 777")))
        .isEmpty();
  }

  /** Two that fork as often as they may, side by side, as a run has them. */
  @Test
  void processes_ofOneSandbox_areNotTakenFromAnother() {
    assumeTrue(available(), "no sandbox here");
    String forks =
        "```\nread n; i=0; while [ $i -lt 14 ]; do sleep 1 & i=$((i+1)); done; echo $i\n```";
    Map<String, Object> tests = Map.of("tests", List.of(Map.of("input", "1\n", "output", "14")));
    Scorer scorer = new OutsideScorers(List.of()).make("g.code", config(Credit.ALL, 20));
    List<Rollout> rollouts = Collections.nCopies(4, Answers.of(forks, tests));
    assertThat(Scores.of(scorer, rollouts).toCompletableFuture().join().all())
        .containsOnly(Score.of(1));
    scorer.close();
  }

  @Test
  void memory_isLimited() throws IOException {
    Sandbox small = sandbox(10, 64);
    Sandbox.Outcome outcome = run(small, "a=aaaaaaaaaaaaaaaa; while :; do a=$a$a$a$a; done", "");
    assertThat(outcome.ending()).as(outcome.errors()).isEqualTo(Sandbox.Ending.FAILED);
  }

  @Test
  void answers_areRunOnTheirTests() {
    assumeTrue(available(), "no sandbox here");
    Map<String, Object> tests =
        Map.of(
            "tests",
            List.of(
                Map.of("input", "1 2\n", "output", "3"), Map.of("input", "5 5\n", "output", "10")));
    String adds = "So:\n```sh\nread a b; echo $((a+b))\n```\n";
    String three = "```\necho 3\n```";
    List<Rollout> rollouts =
        List.of(
            Answers.of(adds, tests),
            Answers.of(three, tests),
            Answers.of("no program", tests),
            Answers.of("```\nexit 1\n```", tests),
            Answers.of(adds, Map.of()),
            Answers.of(adds, Map.of("tests", "[{\"input\": \"2 2\", \"output\": \"4\\n\"}]")),
            Answers.of(adds, Map.of("tests", List.of("assert add(1, 2) == 3"))));
    Scorer share = new OutsideScorers(List.of()).make("g.code", config(Credit.SHARE, 5));
    Score none =
        new Score.Unscored(
            "the data have no tests",
            "prompt p-"
                + adds.length()
                + " has no list of {\"input\": text, \"output\": text} in tests");
    assertThat(Scores.of(share, rollouts).toCompletableFuture().join().all())
        .containsExactly(
            Score.of(1), Score.of(0.5), Score.of(0), Score.of(0), none, Score.of(1), none);
    Scorer all = new OutsideScorers(List.of()).make("g.code", config(Credit.ALL, 5));
    assertThat(Scores.of(all, rollouts.subList(0, 2)).toCompletableFuture().join().all())
        .containsExactly(Score.of(1), Score.of(0));
    share.close();
    all.close();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "'3\n'        | 3          | true",
        "' 3 \n 4 '   | '3\n4'     | true",
        "YES          | yes        | true",
        "Paris        | paris      | false",
        "'1 2'        | '1  2'     | true",
        "0.333333333  | 0.3333334  | true",
        "1.0          | 1          | true",
        "2            | 1.99       | false",
        "10000000000001 | 10000000000002 | false",
        "''           | 3          | false",
        "'3\n4'       | 3          | false",
        "1e9999999999 | 1          | false",
        "1e999        | 1          | false",
        "1            | 1e999      | false",
        "1.0          | 1e999      | false",
        "-1.5e999     | 1.5e999    | false",
        "1e999        | 2.5e999    | false",
        "1e999        | 10e998     | true",
        "1.0e999      | 1e999      | true",
        "1e3          | 1000       | true",
        "1e6          | 1000001    | false",
        "1.0e6        | 1000001    | true",
        "1e-7         | 0          | false",
        "1.0e-7       | 0          | true",
        "0.1234567    | 0.1234578  | false",
        "nan          | NaN        | false",
        "inf          | 1          | false",
        "1 2.0        | 1 2        | true",
        "1 2 3        | 1 2        | false",
      })
  void outputs_areComparedAsTheFieldDoes(String printed, String expected, boolean same) {
    assertThat(ProgramOutput.same(printed, expected)).isEqualTo(same);
  }
}
