package dev.troupe.configuration;

import com.typesafe.config.ConfigObject;
import com.typesafe.config.ConfigOrigin;
import com.typesafe.config.ConfigRenderOptions;
import com.typesafe.config.ConfigUtil;
import com.typesafe.config.ConfigValue;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/** Which keys of a merged tree were given, and which of these differ from the defaults. */
final class Settings {
  private static final ConfigRenderOptions PLAIN = ConfigRenderOptions.concise().setJson(false);

  private final Predicate<ConfigOrigin> isDefault;
  private final ConfigObject defaults;
  private final List<ConfigurationLoader.Setting> found = new ArrayList<>();

  private Settings(Predicate<ConfigOrigin> isDefault, ConfigObject defaults) {
    this.isDefault = isDefault;
    this.defaults = defaults;
  }

  /** In the order of the reference. */
  static List<ConfigurationLoader.Setting> of(
      ConfigObject tree, ConfigObject defaults, Predicate<ConfigOrigin> isDefault, Class<?> root) {
    Settings settings = new Settings(isDefault, defaults);
    settings.collect(tree, "", defaults);
    List<String> order = RecordKeys.paths(root);
    settings.found.sort(
        Comparator.comparingInt(
            setting -> {
              int at = order.indexOf(setting.key());
              return at < 0 ? order.size() : at;
            }));
    return settings.found;
  }

  /**
   * @param standard the same section of the defaults, or the defaults of the record that was chosen
   */
  private void collect(ConfigObject section, String path, @Nullable ConfigObject standard) {
    for (Map.Entry<String, ConfigValue> entry : section.entrySet()) {
      String name = ConfigUtil.joinPath(entry.getKey());
      String key = path.isEmpty() ? name : path + "." + name;
      ConfigValue value = entry.getValue();
      ConfigValue usual = standard == null ? null : standard.get(entry.getKey());
      if (value instanceof ConfigObject inner && !inner.isEmpty()) {
        collect(inner, key, chosen(inner, usual, entry.getKey()));
      } else if (!isDefault.test(value.origin())) {
        found.add(
            new ConfigurationLoader.Setting(
                key, value.render(PLAIN), usual == null || !same(value, usual)));
      }
    }
  }

  /** A section with a type has the defaults of that type besides its own. */
  private @Nullable ConfigObject chosen(
      ConfigObject section, @Nullable ConfigValue usual, String name) {
    ConfigObject own = usual instanceof ConfigObject object ? object : null;
    ConfigValue type = section.get(RecordBinder.TYPE);
    Object template = type == null ? name : type.unwrapped();
    if (defaults.get(Templates.KEY) instanceof ConfigObject templates
        && templates.get(String.valueOf(template)) instanceof ConfigObject further) {
      return own == null ? further : own.withFallback(further);
    }
    return own;
  }

  /** Numbers by their value: 1 is 1.0. */
  private static boolean same(ConfigValue one, ConfigValue other) {
    if (one.unwrapped() instanceof Number number && other.unwrapped() instanceof Number usual) {
      return number.doubleValue() == usual.doubleValue();
    }
    return Objects.equals(one.unwrapped(), other.unwrapped());
  }
}
