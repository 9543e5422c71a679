package dev.troupe.launcher;

import dev.troupe.actors.trust.Authority;
import dev.troupe.actors.trust.Credentials;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code troupe certificates}: an authority and what it issues, for nodes started by hand. */
@Command(
    name = "certificates",
    mixinStandardHelpOptions = true,
    description =
        "Makes a certificate authority in DIR/authority and a certificate for each node in"
            + " DIR/NODE, for nodes that are started by hand. Further calls add nodes. Give a node"
            + " its own directory alone (troupe node --certificates DIR/NODE); the authority stays"
            + " with troupe launch --certificates DIR.")
final class CertificatesCommand implements Callable<Integer> {
  /** The authority's directory in DIR. */
  static final String AUTHORITY = "authority";

  @Spec private CommandSpec spec;

  @Parameters(index = "0", paramLabel = "DIR", description = "where they are, or are to be")
  private Path directory;

  @Parameters(
      index = "1..*",
      paramLabel = "NODE",
      description = "names of nodes, of letters, digits, '.', '_' and '-' (default: node)")
  private List<String> nodes = new ArrayList<>();

  @Option(
      names = "--renew",
      description =
          "new keys and certificates, by the same authority, for the nodes named, or for all that"
              + " are there")
  private boolean renew;

  @Option(
      names = "--days",
      defaultValue = "30",
      paramLabel = "N",
      description = "how long nodes' certificates are valid (default: ${DEFAULT-VALUE})")
  private int days;

  @Option(
      names = "--authority-days",
      defaultValue = "365",
      paramLabel = "N",
      description =
          "how long a new authority is valid, and with it all that it issues (default:"
              + " ${DEFAULT-VALUE})")
  private int authorityDays;

  @Override
  public Integer call() throws IOException {
    if (days < 1 || authorityDays < 1) {
      throw new UserException("--days and --authority-days are at least 1");
    }
    PrintWriter out = spec.commandLine().getOut();
    Path home = directory.resolve(AUTHORITY);
    boolean known = Files.exists(home.resolve(Authority.FILE));
    if (renew && !known) {
      throw new UserException(
          home.resolve(Authority.FILE)
              + " does not exist, so there is nothing to renew; leave --renew out to make one");
    }
    List<String> names = names();
    Authority authority = known ? Authority.read(home) : made(home);
    out.println(
        (known ? "authority " : "new authority ")
            + home.resolve(Authority.FILE)
            + ": run "
            + authority.run()
            + ", expires "
            + authority.expires());
    if (!authority.expires().isAfter(java.time.Instant.now())) {
      throw new UserException(
          "the authority "
              + home.resolve(Authority.FILE)
              + " expired on "
              + authority.expires()
              + "; make a new one in another directory");
    }
    for (String name : names) {
      Credentials issued =
          authority.issue(name, Duration.ofDays(days), privately(directory.resolve(name)));
      out.println(
          "node "
              + name
              + ": "
              + directory.resolve(name).resolve(Credentials.FILE)
              + ", expires "
              + issued.expires());
    }
    out.flush();
    return ExitCode.OK;
  }

  private List<String> names() throws IOException {
    List<String> names = nodes;
    if (names.isEmpty()) {
      names = renew ? present(directory) : List.of("node");
    }
    for (String name : names) {
      if (!name.matches("[A-Za-z0-9][A-Za-z0-9._-]{0,62}") || name.equals(AUTHORITY)) {
        throw new UserException(
            "'"
                + name
                + "' cannot be a node's name; take letters, digits, '.', '_' and '-', and not '"
                + AUTHORITY
                + "'");
      }
      boolean there = Files.exists(directory.resolve(name).resolve(Credentials.FILE));
      if (there != renew) {
        throw new UserException(
            directory.resolve(name).resolve(Credentials.FILE)
                + (there
                    ? " is there already; renew it with --renew"
                    : " does not exist, so it cannot be renewed; leave --renew out to make it"));
      }
    }
    return names;
  }

  /** Nodes that have credentials in the directory. */
  static List<String> present(Path directory) throws IOException {
    if (!Files.isDirectory(directory)) {
      return List.of();
    }
    try (Stream<Path> entries = Files.list(directory)) {
      return entries
          .filter(entry -> Files.exists(entry.resolve(Credentials.FILE)))
          .map(entry -> String.valueOf(entry.getFileName()))
          .sorted()
          .toList();
    }
  }

  /** A node's credentials: of its own directory, or of the one node in a directory of nodes. */
  static Credentials read(Path directory) throws IOException {
    if (Files.exists(directory.resolve(Credentials.FILE))) {
      return Credentials.read(directory);
    }
    List<String> present = present(directory);
    if (present.size() == 1) {
      return Credentials.read(directory.resolve(present.get(0)));
    }
    throw new UserException(
        directory.resolve(Credentials.FILE)
            + " does not exist"
            + (present.isEmpty()
                ? "; make it with: troupe certificates DIR NODE"
                : "; name the directory of one node: " + String.join(", ", present)));
  }

  private Authority made(Path home) throws IOException {
    return made(
        home,
        String.valueOf(directory.toAbsolutePath().normalize().getFileName()),
        Duration.ofDays(authorityDays));
  }

  private static Authority made(Path home, String name, Duration validity) throws IOException {
    Authority authority = Authority.create(name, validity);
    authority.write(privately(home));
    return authority;
  }

  /**
   * Sees to it that a directory has an authority and credentials for nodes; what is there stays.
   *
   * @param run what a new authority is called
   */
  static void provide(Path directory, String run, List<String> nodes, Duration validity)
      throws IOException {
    Path home = directory.resolve(AUTHORITY);
    Authority authority =
        Files.exists(home.resolve(Authority.FILE))
            ? Authority.read(home)
            : made(home, run, validity);
    List<String> present = present(directory);
    for (String node : nodes) {
      if (!present.contains(node)) {
        authority.issue(node, validity, privately(directory.resolve(node)));
      }
    }
  }

  private static Path privately(Path made) throws IOException {
    Files.createDirectories(made.toAbsolutePath().getParent());
    if (!Files.isDirectory(made)) {
      Files.createDirectory(
          made, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
    }
    return made;
  }
}
