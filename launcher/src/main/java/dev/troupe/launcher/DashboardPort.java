package dev.troupe.launcher;

import dev.troupe.actors.pipeline.PipelineConfig;
import dev.troupe.configuration.ConfigurationLoader;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.UnknownHostException;
import java.util.Optional;

/**
 * The port of a run's page, settled before the run begins: one that was asked for must be free; in
 * the place of the default, any free one will do.
 *
 * @param notice what the user is told, when it is not the configured one
 */
record DashboardPort(int port, Optional<String> notice) {
  /**
   * @throws UserException when the address cannot be listened on
   */
  static DashboardPort of(ConfigurationLoader.Loaded<PipelineConfig> loaded) {
    PipelineConfig.Dashboard dashboard = loaded.value().dashboard();
    if (!dashboard.enabled()) {
      return new DashboardPort(dashboard.port(), Optional.empty());
    }
    InetAddress host = address(dashboard.host());
    if (isFree(host, dashboard.port())) {
      return new DashboardPort(dashboard.port(), Optional.empty());
    }
    String busy =
        "the dashboard cannot listen on "
            + dashboard.host()
            + ":"
            + dashboard.port()
            + ", another program does";
    if (loaded.isGiven("dashboard.port") || !isFree(host, 0)) {
      throw new UserException(
          busy
              + "; set dashboard.port to another port, or to 0 for any free one, or"
              + " dashboard.enabled = false");
    }
    return new DashboardPort(0, Optional.of(busy + "; a free port is taken instead"));
  }

  private static InetAddress address(String host) {
    try {
      return InetAddress.getByName(host);
    } catch (UnknownHostException e) {
      throw new UserException(
          "dashboard.host is " + host + ", which is no name or address of this machine", e);
    }
  }

  private static boolean isFree(InetAddress host, int port) {
    try (ServerSocket probe = new ServerSocket()) {
      probe.bind(new InetSocketAddress(host, port));
      return true;
    } catch (IOException e) {
      return false;
    }
  }
}
