package dev.troupe.rewards;

import dev.troupe.rlhf.port.ScorerException;
import dev.troupe.rlhf.reward.RewardConfig;
import java.net.InetAddress;
import java.net.URI;
import java.net.URISyntaxException;
import java.net.UnknownHostException;
import java.net.http.HttpRequest;
import java.util.Locale;
import java.util.Optional;

/** Requests to a service, as far as they are known before there is anything to ask. */
final class Requests {
  private static final int LAST_PORT = 65_535;

  private Requests() {}

  /**
   * All of a request but its body.
   *
   * @param name of the scorer, for errors
   * @param token sent as bearer
   * @throws ScorerException when no such request can be made, or the token is not to be sent so
   */
  static HttpRequest.Builder of(String name, RewardConfig.Http config, Optional<String> token) {
    URI address = address(name + ".url", config.url());
    HttpRequest.Builder request;
    try {
      request =
          HttpRequest.newBuilder(address)
              .header("Content-Type", "application/json")
              .header("Accept", "application/json");
    } catch (IllegalArgumentException e) {
      throw new ScorerException(
          name + ".url is " + config.url() + ", which cannot be asked: " + e.getMessage(), e);
    }
    if (token.isEmpty()) {
      return request;
    }
    String variable = name + ".token-variable: ";
    if (address.getScheme().equalsIgnoreCase("http") && !isOwn(address.getHost())) {
      throw new ScorerException(
          variable
              + "the token would go to "
              + address.getHost()
              + " as anyone on the way can read it; give url as https://, or ask an address of this"
              + " machine (127.0.0.1) behind which a tunnel is, or take the key out");
    }
    try {
      return request.header("Authorization", "Bearer " + token.get());
    } catch (IllegalArgumentException e) { // whose message has the token
      throw new ScorerException(
          variable
              + "the variable's value is no token that can be sent: it has a line break or another"
              + " character that no header may have");
    }
  }

  private static URI address(String key, String url) {
    URI address;
    try {
      address = new URI(url);
    } catch (URISyntaxException e) {
      throw new ScorerException(key + " is no address: " + e.getMessage(), e);
    }
    if (address.getHost() == null) {
      throw new ScorerException(
          key
              + " is "
              + url
              + ", in which "
              + address.getRawAuthority()
              + " is no host's name: expected letters, digits, - and . (no underscore, no other"
              + " letters than a to z), and a port if any; give its number (such as 10.0.0.7) or"
              + " another name");
    }
    if (address.getPort() == 0 || address.getPort() > LAST_PORT) {
      throw new ScorerException(
          key + " is " + url + ", with port " + address.getPort() + ", allowed: 1 to " + LAST_PORT);
    }
    if (address.getRawUserInfo() != null) {
      throw new ScorerException(
          key
              + " has a user's name before the host, which is not sent; take it out, and name the"
              + " variable that holds a token in token-variable");
    }
    if (address.getRawFragment() != null) {
      throw new ScorerException(
          key + " is " + url + ", of which no service gets what is behind #; take it out");
    }
    return address;
  }

  /** Whether a host is this machine, by its name or number alone. */
  private static boolean isOwn(String host) {
    String lower = host.toLowerCase(Locale.ROOT);
    if (lower.equals("localhost") || lower.endsWith(".localhost")) {
      return true;
    }
    boolean number = lower.startsWith("[") || lower.matches("\\d{1,3}(\\.\\d{1,3}){3}");
    try {
      return number && InetAddress.getByName(host).isLoopbackAddress();
    } catch (UnknownHostException e) {
      return false;
    }
  }
}
