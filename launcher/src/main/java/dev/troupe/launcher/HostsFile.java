package dev.troupe.launcher;

import dev.troupe.models.torch.Device;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * The hosts of a cluster: a line each, {@code HOST ROLE[,ROLE…] [DEVICE]}; blank lines and what
 * follows # are passed over.
 */
record HostsFile(List<Host> hosts) {
  /**
   * @param name as ssh takes it, user@host included
   * @param roles the node roles that the configuration's cluster section names
   * @param device what computes there, where it is not the configuration's
   */
  record Host(String name, List<String> roles, Optional<String> device) {}

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
      Optional<String> device = words.length == 3 ? Optional.of(words[2]) : Optional.empty();
      if (words.length < 2
          || words.length > 3
          || words[0].startsWith("-")
          || !device.map(Device::isName).orElse(true)) {
        throw new UserException(
            file
                + ":"
                + (i + 1)
                + ": expected HOST ROLE[,ROLE…] [DEVICE], found '"
                + line
                + "'; for example: gpu1 policy cuda:0");
      }
      hosts.add(new Host(words[0], List.of(words[1].split(",", -1)), device));
    }
    if (hosts.isEmpty()) {
      throw new UserException(
          file + " names no host; expected lines of HOST ROLE[,ROLE…] [DEVICE]");
    }
    return new HostsFile(hosts);
  }
}
