package dev.troupe.configuration;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigObject;
import com.typesafe.config.ConfigRenderOptions;
import com.typesafe.config.ConfigUtil;
import com.typesafe.config.ConfigValue;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * docs/configuration.md, made from the records (which keys there are, what they expect) and the
 * defaults file (values, and the comment above each key).
 */
final class ConfigurationReference {
  private static final String INTRODUCTION =
      """
      # Configuration

      Made from the configuration records and `troupe-defaults.conf` by `%s`. Do not edit.

      A configuration is a [HOCON](https://github.com/lightbend/config/blob/main/HOCON.md) file. It needs to name only what differs from the
      defaults below. `include "presets/modern.conf"` takes up another file, which lies beside it or among the presets; `${NAME}` reads another
      key or an environment variable, `${TROUPE_HOME}` the installation's directory. On the command line `--set ppo.iterations=20` overrides,
      as often as needed. All problems of all keys are reported at once, with file and line, before anything is loaded. `troupe plan CONF --all`
      prints the effective configuration; a run leaves it in `config.conf` of its output directory.

      Relative paths start at the directory that the command was given in. Where several kinds of thing are possible (`type`), `template.NAME`
      below holds the defaults of that kind, and of the elements of lists.
      """;

  private final List<RecordKeys.Key> keys;
  private final Config defaults;

  ConfigurationReference(Class<? extends Record> root, Config defaults) {
    this.keys = RecordKeys.of(root);
    this.defaults = ConfigurationLoader.resolve(defaults);
  }

  /** Keys without a comment or without a default value, and defaults that no record reads. */
  List<String> gaps() {
    List<String> gaps = new ArrayList<>();
    Set<String> known = new TreeSet<>();
    for (RecordKeys.Key key : keys) {
      known.add(key.path());
      ConfigValue value = at(key.path());
      if (value == null) {
        gaps.add(key.path() + ": no default (write null where there is none)");
      } else if (comment(key).isEmpty()) {
        gaps.add(key.path() + ": no comment");
      }
    }
    unread(defaults.root(), "", known, gaps);
    return gaps;
  }

  private static void unread(
      ConfigObject object, String path, Set<String> known, List<String> gaps) {
    for (Map.Entry<String, ConfigValue> entry : object.entrySet()) {
      String key = path.isEmpty() ? entry.getKey() : path + "." + entry.getKey();
      boolean choice = entry.getKey().equals(RecordBinder.TYPE) && known.contains(path);
      if (!known.contains(key) && !key.equals(Templates.KEY) && !choice) {
        gaps.add(key + ": no record reads it");
      } else if (entry.getValue() instanceof ConfigObject inner) {
        unread(inner, key, known, gaps);
      }
    }
  }

  /** The page. */
  String markdown(String command) {
    StringBuilder page = new StringBuilder(INTRODUCTION.replace("%s", command));
    page.append("\n## The top level\n\n");
    table(page, "");
    for (RecordKeys.Key key : keys) {
      if (key.isSection()) {
        page.append("\n## `").append(key.path()).append("`\n\n");
        page.append(comment(key)).append("\n\n");
        table(page, key.path());
      }
    }
    return page.toString();
  }

  private void table(StringBuilder page, String section) {
    List<RecordKeys.Key> inSection =
        keys.stream()
            .filter(key -> parent(key.path()).equals(section) && !isTemplate(key.path()))
            .toList();
    if (inSection.isEmpty()) {
      page.append("No keys of its own.\n");
      return;
    }
    page.append("| key | default | expects | meaning |\n|---|---|---|---|\n");
    for (RecordKeys.Key key : inSection) {
      String name = key.path().substring(section.isEmpty() ? 0 : section.length() + 1);
      page.append("| `")
          .append(name)
          .append("` | ")
          .append(key.isSection() ? "see below" : "`" + rendered(at(key.path())) + "`")
          .append(" | ")
          .append(RecordKeys.describe(key.type()))
          .append(" | ")
          .append(comment(key).replace("|", "\\|"))
          .append(" |\n");
    }
  }

  private static boolean isTemplate(String path) {
    return parent(path).equals(Templates.KEY);
  }

  private static String parent(String path) {
    int dot = path.lastIndexOf('.');
    return dot < 0 ? "" : path.substring(0, dot);
  }

  private static String rendered(@Nullable ConfigValue value) {
    if (value instanceof ConfigObject object && object.containsKey(RecordBinder.TYPE)) {
      return "type = " + object.get(RecordBinder.TYPE).unwrapped();
    }
    return value == null
        ? "null"
        : value.render(ConfigRenderOptions.concise().setJson(false)).replace("|", "\\|");
  }

  private String comment(RecordKeys.Key key) {
    String text = comment(at(key.path()));
    return text.isEmpty() ? comment(at(key.path() + "." + RecordBinder.TYPE)) : text;
  }

  private static String comment(@Nullable ConfigValue value) {
    return value == null
        ? ""
        : value.origin().comments().stream().map(String::strip).collect(Collectors.joining(" "));
  }

  private @Nullable ConfigValue at(String path) {
    ConfigValue value = defaults.root();
    for (String name : ConfigUtil.splitPath(path)) {
      value = value instanceof ConfigObject object ? object.get(name) : null;
    }
    return value;
  }
}
