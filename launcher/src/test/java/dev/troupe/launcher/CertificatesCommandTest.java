package dev.troupe.launcher;

import static org.assertj.core.api.Assertions.assertThat;

import dev.troupe.actors.trust.Credentials;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CertificatesCommandTest {
  @TempDir Path directory;

  private final StringWriter out = new StringWriter();
  private final StringWriter err = new StringWriter();

  private int run(String... arguments) {
    out.getBuffer().setLength(0);
    err.getBuffer().setLength(0);
    return Troupe.execute(new PrintWriter(out), new PrintWriter(err), arguments);
  }

  private String certificates() {
    return directory.resolve("certs").toString();
  }

  private Credentials of(String node) {
    return Credentials.read(directory.resolve("certs").resolve(node));
  }

  @Test
  void made_andAdded_byOneAuthority_forTheirOwnerAlone() throws IOException {
    assertThat(run("certificates", certificates(), "gpu1", "gpu2")).as(err.toString()).isZero();
    assertThat(out.toString())
        .contains("new authority ", "authority.pem: run certs-", "node gpu1: ", "node gpu2: ")
        .containsPattern("gpu1/node.pem, expires \\d{4}-\\d\\d-\\d\\dT");
    assertThat(run("certificates", certificates(), "gpu3", "--days", "2")).isZero();
    assertThat(of("gpu3").run()).isEqualTo(of("gpu1").run());
    assertThat(of("gpu3").expires()).isBefore(of("gpu1").expires());
    try (Stream<Path> files = Files.walk(directory.resolve("certs"))) {
      for (Path file : files.filter(Files::isRegularFile).toList()) {
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(file)))
            .as(file.toString())
            .isEqualTo("rw-------");
      }
    }
  }

  @Test
  void renewed_hasANewKey_andTheSameAuthority() {
    assertThat(run("certificates", certificates(), "gpu1", "gpu2", "--days", "1")).isZero();
    Credentials before = of("gpu1");
    assertThat(before.endsSoon(java.time.Instant.now())).isTrue();
    assertThat(run("certificates", certificates(), "--renew")).as(err.toString()).isZero();
    assertThat(out.toString()).contains("node gpu1: ", "node gpu2: ");
    assertThat(of("gpu1").authority()).isEqualTo(before.authority());
    assertThat(of("gpu1").key()).isNotEqualTo(before.key());
    assertThat(of("gpu1").expires()).isAfter(before.expires());
  }

  @Test
  void mistakes_areTold() {
    assertThat(run("certificates", certificates(), "--renew")).isEqualTo(2);
    assertThat(err.toString()).contains("does not exist, so there is nothing to renew");
    assertThat(run("certificates", certificates(), "../gpu1")).isEqualTo(2);
    assertThat(err.toString()).contains("'../gpu1' cannot be a node's name");
    assertThat(directory.resolve("gpu1")).doesNotExist();
    assertThat(run("certificates", certificates(), "gpu1")).isZero();
    assertThat(run("certificates", certificates(), "gpu1")).isEqualTo(2);
    assertThat(err.toString()).contains("node.pem is there already; renew it with --renew");
  }

  @Test
  void aNodeWithout_isToldHowToGetThem() {
    assertThat(run("node", "--join", "127.0.0.1:1", "--roles", "policy")).isEqualTo(2);
    assertThat(err.toString()).contains("troupe certificates DIR NODE", "--certificates DIR/NODE");
    assertThat(run("certificates", certificates(), "gpu1", "gpu2")).isZero();
    assertThat(
            run(
                "node",
                "--join",
                "127.0.0.1:1",
                "--roles",
                "policy",
                "--output",
                "runs/x",
                "--certificates",
                certificates()))
        .isEqualTo(2);
    assertThat(err.toString()).contains("name the directory of one node: gpu1, gpu2");
    assertThat(
            run(
                "node",
                "--join",
                "127.0.0.1:1",
                "--roles",
                "policy",
                "--certificates",
                directory.resolve("certs/gpu1").toString()))
        .isEqualTo(2);
    assertThat(err.toString()).contains("--output DIR: it is the only place where this node");
  }

  @Test
  void handedOver_comesBack_andLeavesTheRestOfStandardInput() throws IOException {
    assertThat(run("certificates", certificates())).isZero();
    HandOver said = new HandOver("runs/Ärger", of("node"));
    byte[] bytes = said.bytes();
    byte[] more = java.util.Arrays.copyOf(bytes, bytes.length + 1);
    ByteArrayInputStream input = new ByteArrayInputStream(more);
    assertThat(HandOver.read(input)).isEqualTo(said);
    assertThat(input.available()).isEqualTo(1);
  }
}
