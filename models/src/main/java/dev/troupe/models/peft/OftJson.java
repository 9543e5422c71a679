package dev.troupe.models.peft;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** OFT's keys, as PEFT 0.18 to 0.21 write and read them. */
final class OftJson implements MethodJson<Oft> {
  @Override
  public Class<Oft> method() {
    return Oft.class;
  }

  @Override
  public Set<String> keys() {
    return TargetKeys.with(
        "r",
        "oft_block_size",
        "use_cayley_neumann",
        "num_cayley_neumann_terms",
        "fan_in_fan_out",
        // Of training, of what is off, or of the start; with dropout PEFT itself drops nothing.
        "module_dropout",
        "eps",
        "bias",
        "init_weights");
  }

  @Override
  public Map<String, String> mustBeOff() {
    return Map.of("coft", "constrained OFT", "block_share", "one turn for all blocks");
  }

  @Override
  public Oft read(ObjectNode json) {
    AdapterKeys.require(
        json.path("bias").asText("none").equals("none"),
        "bias '" + json.path("bias").asText() + "' cannot be used with OFT; expected none");
    boolean whole = json.has("use_cayley_neumann") && !AdapterKeys.flag(json, "use_cayley_neumann");
    AdapterKeys.require(
        whole || isOf018(json.path("peft_version").asText("none")),
        "peft_version is "
            + json.path("peft_version")
            + ", and before 0.18 PEFT ended the series of OFT otherwise; merge it with the PEFT that trained it");
    return new Oft(
        TargetKeys.read(json),
        number(json, "r", 0),
        number(json, "oft_block_size", 0),
        whole ? 0 : number(json, "num_cayley_neumann_terms", 5));
  }

  private static boolean isOf018(String version) {
    Matcher parts = Pattern.compile("(\\d{1,4})\\.(\\d{1,4})(\\D.*)?").matcher(version);
    return parts.matches()
        && (Integer.parseInt(parts.group(1)) > 0 || Integer.parseInt(parts.group(2)) >= 18);
  }

  private static int number(ObjectNode json, String key, int otherwise) {
    return AdapterKeys.off(json.path(key)) ? otherwise : AdapterKeys.integer(json.path(key), key);
  }

  @Override
  public void write(Oft method, ObjectNode json) {
    TargetKeys.write(method.targets(), json);
    json.put("bias", "none");
    json.put("block_share", false);
    json.put("coft", false);
    json.put("init_weights", true);
    json.put("module_dropout", 0.0);
    json.put("num_cayley_neumann_terms", method.terms() == 0 ? 5 : method.terms());
    // Whose series it is.
    json.put("peft_version", "0.18.0");
    json.put("oft_block_size", method.blockSize());
    json.put("r", method.blocks());
    json.put("use_cayley_neumann", method.terms() > 0);
  }
}
