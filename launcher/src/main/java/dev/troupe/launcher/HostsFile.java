package dev.troupe.launcher;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * The hosts of a cluster: a line each, {@code HOST ROLE[,ROLE…]}; blank lines and what follows #
 * are passed over.
 */
record HostsFile(List<Host> hosts) {
  /**
   * @param name as ssh takes it, user@host included
   * @param roles the node roles that the configuration's cluster section names
   */
  record Host(String name, List<String> roles) {}

  /** How many hosts have the role. */
  int count(String role) {
    return (int) hosts.stream().filter(host -> host.roles().contains(role)).count();
  }

  static HostsFile read(Path file) throws IOException {
    List<Host> hosts = new ArrayList<>();
    List<String> lines = Files.readAllLines(file);
    for (int i = 0; i < lines.size(); i++) {
      String line = lines.get(i).replaceFirst("#.*", "").strip();
      if (line.isEmpty()) {
        continue;
      }
      String[] words = line.split("\\s+", -1);
      if (words.length != 2 || words[0].startsWith("-")) {
        throw new UserException(
            file
                + ":"
                + (i + 1)
                + ": expected HOST ROLE[,ROLE…], found '"
                + line
                + "'; for example: gpu1 policy");
      }
      hosts.add(new Host(words[0], List.of(words[1].split(",", -1))));
    }
    if (hosts.isEmpty()) {
      throw new UserException(file + " names no host; expected lines of HOST ROLE[,ROLE…]");
    }
    return new HostsFile(hosts);
  }
}
