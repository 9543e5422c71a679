package dev.troupe.actors.trust;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.cert.CertificateException;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.time.Instant;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CredentialsTest {
  private static final Duration DAY = Duration.ofDays(1);
  private static final Authority AUTHORITY = Authority.create("mine", DAY);

  @TempDir Path directory;

  private static void trusts(Authority authority, X509Certificate... chain)
      throws CertificateException {
    X509Certificate root = authority.issue("me", DAY).authority();
    new RunTrust(root).checkClientTrusted(chain, "ECDHE_ECDSA");
    new RunTrust(root).checkServerTrusted(chain, "ECDHE_ECDSA");
  }

  @Test
  void aNodeOfTheRun_isTrusted() throws Exception {
    trusts(AUTHORITY, AUTHORITY.issue("node", DAY).certificate());
  }

  @Test
  void others_areRefused_bySentencesThatSayWhy() {
    Authority other = Authority.create("other\nline", DAY);
    assertThatThrownBy(() -> trusts(AUTHORITY, other.issue("node", DAY).certificate()))
        .hasMessage(
            "its certificate is of another authority (run "
                + other.run()
                + "), expected one of run "
                + AUTHORITY.run());
    assertThat(other.run()).startsWith("other?line-");
    // Of the same name, by another key.
    Instant now = Instant.now();
    assertThatThrownBy(
            () ->
                trusts(
                    AUTHORITY,
                    AUTHORITY.issue("node", now.minus(DAY), now.minusSeconds(60)).certificate()))
        .hasMessageStartingWith("its certificate expired on ");
    assertThatThrownBy(
            () ->
                trusts(
                    AUTHORITY,
                    AUTHORITY.issue("node", now.plusSeconds(60), now.plus(DAY)).certificate()))
        .hasMessageStartingWith("its certificate is valid only from ");
    assertThatThrownBy(() -> trusts(AUTHORITY, AUTHORITY.issue("node", DAY).authority()))
        .hasMessage("its certificate is not a node's");
    assertThatThrownBy(() -> trusts(AUTHORITY)).hasMessage("it presented no certificate");
  }

  @Test
  void anAuthorityOfTheSameName_isAnother() {
    Authority forged = Authority.create("mine", DAY);
    assertThat(forged.run()).isNotEqualTo(AUTHORITY.run());
    assertThatThrownBy(() -> trusts(AUTHORITY, forged.issue("node", DAY).certificate()))
        .hasMessageStartingWith("its certificate is of another authority");
  }

  @Test
  void files_areTheirOwnersAlone_andOthersAreRefused() throws IOException {
    Credentials issued = AUTHORITY.issue("node", DAY, directory);
    AUTHORITY.write(directory);
    for (String name : new String[] {Credentials.FILE, Authority.FILE}) {
      assertThat(
              PosixFilePermissions.toString(Files.getPosixFilePermissions(directory.resolve(name))))
          .isEqualTo("rw-------");
    }
    assertThat(Credentials.read(directory)).isEqualTo(issued);
    assertThat(Authority.read(directory).run()).isEqualTo(AUTHORITY.run());
    Files.setPosixFilePermissions(
        directory.resolve(Credentials.FILE), PosixFilePermissions.fromString("rw-r-----"));
    assertThatThrownBy(() -> Credentials.read(directory))
        .isInstanceOf(TrustException.class)
        .hasMessageContaining("node.pem can be read by others (rw-r-----)")
        .hasMessageContaining("chmod 600");
  }

  @Test
  void text_isReadBack_andNothingElseIsQuoted() {
    Credentials issued = AUTHORITY.issue("node", DAY);
    assertThat(Credentials.parse(issued.text(), "there")).isEqualTo(issued);
    for (String other :
        new String[] {
          "", "root:secret:1:2", "-----BEGIN PRIVATE KEY-----\nsecret\n-----END PRIVATE KEY-----\n"
        }) {
      assertThatThrownBy(() -> Credentials.parse(other, "the file"))
          .isInstanceOf(TrustException.class)
          .hasMessageContaining("the file ")
          .hasMessageContaining("troupe certificates DIR")
          .hasMessageNotContaining("secret");
    }
  }

  @Test
  void expired_saysHowToRenew() {
    Instant now = Instant.now();
    Credentials old = AUTHORITY.issue("node", now.minus(DAY), now.minusSeconds(1));
    assertThatThrownBy(() -> old.checked(now))
        .hasMessageContaining("expired on " + old.expires())
        .hasMessageContaining("--renew");
    assertThat(AUTHORITY.issue("node", DAY).endsSoon(now)).isTrue();
    assertThat(
            Authority.create("x", Duration.ofDays(30))
                .issue("node", DAY.multipliedBy(30))
                .endsSoon(now))
        .isFalse();
  }
}
