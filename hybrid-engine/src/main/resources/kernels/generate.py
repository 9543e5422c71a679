# The decoder on the generation path: merged and packed weights, a static cache of keys and values, sampling.
#
# w, flat: the training path's weights and parameter buffer, as in decoder.py.
# g = as w, for what is used as it is: gains are whole (1 + weight where a family says so) and hold the root of the width where a norm is RMS, q_norm holds
#     those of all q and k heads. Behind them two constants: sqrt(eps) times the root of the width, and of the head's width.
# pw = per layer [qkv, o, gate_up, down], last the head: merged with LoRA and packed in one format ($FORMAT).
# kv = per layer keys and values, [2, B, kv heads, S slots, head_dim]. Rows end in the same slot, so that one write serves all, and begin where they
#     may: token t of row b lies in slot start[b] + t, what is before start[b] is masked. So a row may begin while others are at work.

# $CACHE: of keys and values, 15 for bfloat16, which the library's attention reads, or 6 for float32.
# $EXACT: True, where the same tokens are to come to the same bits by prefill, decoding and exact_logprobs: all of it by the library, position by position.
# $NATIVE: True, where the library of operators of our own (module native, ops.troupe) does what stands between products; $BYTES: where it does those of int8, too.

def linear(self, x, w: $WEIGHT):
  $LINEAR

def fine_linear(self, x, w: $WEIGHT):
  # where inputs spread over orders of magnitude: the MLP's output, the head
  $FINE

def pack(self, w) -> $WEIGHT:
  $PACK

# ---- the shadow: weights for generation made of the training path's

def replaced(self, w: List[Tensor], p: List[Tensor]) -> List[Tensor]:
  # w with what is trained whole in the place of the base's, or of some of a weight's rows
  if len(self.whole_slots) == 0:
    return w
  out = [t for t in w]
  for i in range(len(self.whole_slots)):
    k, r = self.whole_slots[i], self.whole_rows[i]
    t, own = out[k], p[self.whole_piece + i]
    if t.dim() == 2:
      own = own.view(-1, t.size(1))
    n = own.size(0)
    out[k] = own if n == t.size(0) else torch.cat([t[:r], own, t[r + n:]])
  if self.tied:
    out[2] = out[0]
  return out

def beside(self, w: List[Tensor], p: List[Tensor]) -> List[Tensor]:
  # w with what a method's text (kernels/methods) makes of it in its place
  return w

def virtual(self, p: List[Tensor]) -> List[Tensor]:
  # what a method's text (kernels/methods) has before every text
  out: List[Tensor] = []
  return out

def frame(self, w: List[Tensor], flat) -> List[Tensor]:
  out: List[Tensor] = []
  p = torch.split_with_sizes(flat.detach(), self.sizes)
  ws = self.beside(self.replaced(w, p), p)
  i = 0
  for k in range(len(w)):
    if not self.full or k == 3 or k == 4 or w[k].numel() == 0:
      out.append(ws[k])
    elif k == 2 and self.tied:
      out.append(out[0])
    else:
      out.append(p[i].view(w[k].shape))
      i += 1
  if self.head_pieces:
    # it is packed
    out[2] = w[2]
  for l in range(self.layers):
    for g in range(4):
      k = 9 + 16 * l + [7, 10, 13, 14][g]
      if out[k].numel() > 0:
        out[k] = self.changed_bias(out[k], p, l, g)
  if self.plus_one:
    out[1] = out[1] + 1
  for l in range(self.layers):
    o = 9 + 16 * l
    if self.plus_one:
      for k in [0, 3, 8, 9, 11, 15]:
        out[o + k] = out[o + k] + 1
    if self.qk_norm:
      out[o + 8] = torch.cat([out[o + 8].expand(self.heads, self.hd), out[o + 9].expand(self.kv, self.hd)]) * self.hd ** 0.5
  if not self.layer_norm:
    # the root of the width goes into the gains, see normed
    out[1] = out[1] * self.hidden ** 0.5
    out[6] = out[6] * self.hidden ** 0.5
    for l in range(self.layers):
      o = 9 + 16 * l
      for k in [0, 3, 11, 15]:
        out[o + k] = out[o + k] * self.hidden ** 0.5
  out += self.virtual(p)
  out.append(torch.full([1], (self.eps * self.hidden) ** 0.5, device=flat.device))
  out.append(torch.full([1], (self.eps * self.hd) ** 0.5, device=flat.device))
  return out

def adapted(self, p: List[Tensor], i: int) -> bool:
  # whether training touches matrix i of pw
  if self.full or self.whole_matrices[i] > 0 or (self.head_pieces and i == 4 * self.layers):
    return True
  return i < 4 * self.layers and self.changes_group(p, i // 4, i % 4)

def merged(self, w: List[Tensor], p: List[Tensor], i: int) -> Tensor:
  # matrix i of pw in full precision, w with what is trained whole; a new tensor where there is something to add, never an update of the base
  l = i // 4
  head = i == 4 * self.layers
  at = 2 if head else 9 + 16 * l + self.weight_at[i % 4]
  if self.full:
    # the pieces of p are the tensors of w that are trained
    k = 0
    for j in range(0 if head and self.tied else at):
      if j != 3 and j != 4 and w[j].numel() > 0 and not (j == 2 and self.tied):
        k += 1
    return p[k].view(w[at].shape)
  return w[at].float() if head else self.changed(self.dense(w[at], i % 4), p, l, i % 4)

# What a method's text (kernels/methods) puts its own in the place of; here it is LoRA's

def dense(self, w, g: int):
  # a group's weight [out, in] of the base, in float32; how that is held puts its own here
  return w.float()

def changes_group(self, p: List[Tensor], l: int, g: int) -> bool:
  # whether what is trained beside a group's weight changes it
  return self.lora and p[11 * l + self.group_piece[g]].numel() > 0

def changed_bias(self, b, p: List[Tensor], l: int, g: int):
  # a group's bias [out] as it is used
  return b

def outs_of(self, p: List[Tensor], l: int, g: int) -> List[Tensor]:
  # LoRA's B of a group, [rank, out] each, scaled where scales differ
  out: List[Tensor] = []
  for j in range(self.group_size[g]):
    k = self.group_linear[g] + j
    if self.widths[k] > 0:
      t = p[11 * l + self.group_piece[g] + 1 + j]
      t = t.view(t.numel() // self.widths[k], self.widths[k])
      out.append(t if self.even else t * self.scales[7 * l + k])
  return out

def changed(self, w, p: List[Tensor], l: int, g: int):
  # a group's weight [out, in], in float32, as it is used
  if not self.changes_group(p, l, g):
    return w
  a = p[11 * l + self.group_piece[g]].view(-1, w.size(1))
  m = torch.addmm(w, torch.block_diag(self.outs_of(p, l, g)).t(), a, beta=1, alpha=self.scale)
  if self.dora:
    # each row as long as its magnitude, where there is one
    r = 0
    for j in range(self.group_size[g]):
      k = self.group_linear[g] + j
      length = p[11 * self.layers + 7 * l + k]
      if self.widths[k] > 0:
        if length.numel() > 0:
          rows = m[r:r + self.widths[k]]
          rows.mul_((length / torch.linalg_vector_norm(rows, 2, [1])).unsqueeze(1))
        r += self.widths[k]
  return m

def packed(self, w: List[Tensor], p: List[Tensor], i: int) -> $WEIGHT:
  # matrix i of pw; w with what is trained whole
  return self.pack(self.merged(w, p, i))

def shadow(self, w: List[Tensor], flat, old: List[$WEIGHT], part: int, parts: int) -> List[$WEIGHT]:
  # One of consecutive parts of pw. old: an earlier shadow, whose matrices are taken over where training does not touch them; or empty
  p = torch.split_with_sizes(flat.detach(), self.sizes)
  ws = w if self.full else self.beside(self.replaced(w, p), p)
  out: List[$WEIGHT] = []
  n = 4 * self.layers + 1
  for i in range(n * part // parts, n * (part + 1) // parts):
    if len(old) > 0 and not self.adapted(p, i):
      out.append(old[i])
    else:
      out.append(self.packed(ws, p, i))
  return out

def untouched(self, flat, old: List[$WEIGHT]) -> List[$WEIGHT]:
  # lets go of what the next flip will make anew; another stands in its place
  p = torch.split_with_sizes(flat.detach(), self.sizes)
  out: List[$WEIGHT] = []
  kept = -1
  for i in range(len(old)):
    if not self.adapted(p, i):
      kept = i
  if kept >= 0:
    for i in range(len(old)):
      out.append(old[kept] if self.adapted(p, i) else old[i])
  return out

def joined(self, a: List[$WEIGHT], b: List[$WEIGHT]) -> List[$WEIGHT]:
  return a + b

def nothing(self) -> List[$WEIGHT]:
  out: List[$WEIGHT] = []
  return out

# ---- forward

def normed(self, x, w: List[Tensor], gain: int, bias: int):
  # RMS: x / sqrt(mean(x²) + eps) g = x / sqrt(|x|² + d eps) (sqrt(d) g), in four operations, a third of what torch.rms_norm takes
  if self.layer_norm:
    if $NATIVE:
      return ops.troupe.layer_norm(x, w[gain], w[bias], self.eps)
    return torch.layer_norm(x, [x.size(-1)], w[gain], w[bias], self.eps)
  if $NATIVE:
    return ops.troupe.rms_norm(x, w[gain], self.eps * self.hidden, None)
  return torch.div(x, torch.hypot(torch.linalg_vector_norm(x, 2, [-1], True), w[len(w) - 2])).mul_(w[gain])

def activated(self, x):
  if self.activation == 0:
    return torch.silu(x)
  if self.activation == 1:
    return torch.gelu(x)
  if self.activation == 2:
    return torch.gelu(x, approximate='tanh')
  return torch.relu(x)

def normed_linear(self, x, w: List[Tensor], gain: int, bias: int, m: $WEIGHT, fine: bool):
  # the product of x, normed
  if $BYTES:
    if not self.layer_norm:
      return ops.troupe.rms_linear(x, w[gain], self.eps * self.hidden, m[0], m[1], m[2], fine)
  h = self.normed(x, w, gain, bias)
  return self.fine_linear(h, m) if fine else self.linear(h, m)

def activated_linear(self, gu, m: $WEIGHT):
  # of gates and as many factors, or of what is activated by itself
  if $BYTES:
    return ops.troupe.activated_linear(gu, self.activation, self.gated, m[0], m[1], m[2], True)
  if $NATIVE:
    return self.fine_linear(ops.troupe.activate(gu, self.activation, self.gated), m)
  h = self.activated(gu[:, :self.ffn]).mul_(gu[:, self.ffn:]) if self.gated else self.activated(gu)
  return self.fine_linear(h, m)

def added(self, x, y, w: List[Tensor], gain: int):
  # x + y, y normed where a family says so
  if self.post_norms:
    if $NATIVE:
      if not self.layer_norm:
        return ops.troupe.rms_norm(y, w[gain], self.eps * self.hidden, x)
    y = self.normed(y, w, gain, gain)
  return x + y

def prefill_attention(self, q, k, v, mask: Optional[Tensor]):
  # [B, heads, n, head_dim] each
  if self.attention_cap > 0.0:
    s = torch.matmul(q, k.transpose(2, 3)).mul_(self.attention_scale / self.attention_cap).tanh_().mul_(self.attention_cap)
    if mask is not None:
      s = s + mask
    return torch.matmul(torch.softmax(s, -1), v)
  return torch.scaled_dot_product_attention(q, k, v, mask, 0., mask is None, scale=self.attention_scale)

def decode_attention(self, q, k, v, mask: Optional[Tensor]):
  # The query heads of one group are the rows of a small block, so that keys and values are not repeated: q [B * kv heads, group, head_dim], k, v
  # [B * kv heads, slots, head_dim], mask as decode_mask. Products of their own, as torch's attention takes twice the time for so few queries
  k = k.transpose(1, 2)
  if self.attention_cap > 0.0:
    s = torch.bmm(q * (self.attention_scale / self.attention_cap), k).tanh_().mul_(self.attention_cap)
    if mask is not None:
      s = s + mask
  elif mask is not None:
    s = torch.baddbmm(mask, q, k, beta=1, alpha=self.attention_scale)
  else:
    s = torch.bmm(q * self.attention_scale, k)
  return torch.bmm(torch.softmax(s, -1), v)

def projected(self, x, g: List[Tensor], pw: List[$WEIGHT], l: int):
  # queries, keys and values, side by side
  o = 9 + 16 * l
  qkv = self.normed_linear(x, g, o, o + 6, pw[4 * l], False)
  if self.qkv_bias:
    qkv.add_(g[o + 7])
  return qkv

def finished(self, x, a, g: List[Tensor], pw: List[$WEIGHT], l: int):
  # the rest of a layer, x its input, a what attention has given
  o = 9 + 16 * l
  y = self.linear(a, pw[4 * l + 1])
  if self.out_bias:
    y.add_(g[o + 10])
  before = x
  x = self.added(x, y, g, o + 11)
  gu = self.normed_linear(before if self.parallel else x, g, o + 3, o + 12, pw[4 * l + 2], False)
  if self.mlp_bias:
    gu.add_(g[o + 13])
  y = self.activated_linear(gu, pw[4 * l + 3])
  if self.mlp_bias:
    y.add_(g[o + 14])
  return self.added(x, y, g, o + 15)

def begun(self, both, l: int, g: List[Tensor]) -> int:
  # puts what a method's text has in the place of the first keys and values, [2, B, kv heads, n, head_dim]
  return 0

def layer(self, x, g: List[Tensor], pw: List[$WEIGHT], l: int, rope: List[Tensor], kv, slot: int, n: int, since: List[int], masks: List[Optional[Tensor]]):
  # x [B * n, d]; writes slots slot … slot + n - 1. n > 1 is the prefill: causal, so pads behind a prompt are never looked at. A single token looks
  # back at the slots from since on
  hq, hk, hd = self.heads, self.kv, self.hd
  b = x.size(0) // n
  group = hq // hk
  mask = masks[self.local[l]]
  # in place from here on: q, k and v stay where the product has put them
  qkv = self.projected(x, g, pw, l).view(b, n, hq + 2 * hk, hd)
  if self.qk_norm:
    qk = torch.narrow(qkv, 2, 0, hq + hk)
    qk.div_(torch.hypot(torch.linalg_vector_norm(qk, 2, [-1], True), g[len(g) - 1])).mul_(g[9 + 16 * l + 8])
  if self.rotary:
    torch.view_as_complex(qkv.view(b, n, hq + 2 * hk, hd // 2, 2)).mul_(rope[self.local[l]])
  q = torch.narrow(qkv, 2, 0, hq)
  both = torch.narrow(qkv, 2, hq, 2 * hk).view(b, n, 2, hk, hd).permute([2, 0, 3, 1, 4])
  if n > 1:
    self.begun(both, l, g)
  torch.narrow(kv, 3, slot, n).copy_(both)
  if n == 1:
    first = since[self.local[l]]
    seen = torch.narrow(kv.view(2, b * hk, kv.size(3), hd), 2, first, slot + 1 - first)
    a = self.decode_attention(q.reshape(b * hk, group, hd), seen[0].float(), seen[1].float(), mask).view(b, hq * hd)
  else:
    wide = both.unsqueeze(3).expand(2, b, hk, group, n, hd).reshape(2, b, hq, n, hd)
    a = self.prefill_attention(q.transpose(1, 2), wide[0], wide[1], mask).transpose(1, 2).reshape(b * n, hq * hd)
  return self.finished(x, a, g, pw, l)

def looked_up(self, ids, g: List[Tensor]):
  # [B, n, d], of ids [B, n]
  return torch.embedding(g[0], ids).float()

def embedded(self, ids, positions, g: List[Tensor]):
  # ids [B, n]; positions [B, n] or [n]
  x = self.looked_up(ids, g)
  if self.embedding_scale != 1.0:
    x = x * self.embedding_scale
  if self.learned:
    x = x + torch.embedding(g[5], positions + self.offset)
  x = x.view(-1, self.hidden)
  if self.embedding_norm:
    x = self.normed(x, g, 6, 7)
  return x

def logits(self, x, g: List[Tensor], pw: List[$WEIGHT]):
  z = self.normed_linear(x, g, 1, 8, pw[4 * self.layers], True)
  if self.final_cap > 0.0:
    if $NATIVE:
      return ops.troupe.bent(z, self.final_cap)
    z = z.div_(self.final_cap).tanh_().mul_(self.final_cap)
  return z

def cache(self, b: int, s: int, like) -> List[Tensor]:
  # where like is; zeros, as what a mask hides must still be numbers
  return [torch.zeros([2, b, self.kv, s, self.hd], dtype=$CACHE, device=like.device) for i in range(self.layers)]

def turns(self, table) -> Tensor:
  # of the positions [..., head_dim / 2]: for each head of q and k, and 1 for those of v, complex [..., heads, head_dim / 2]
  t = torch.view_as_complex(table)
  n = self.heads + self.kv
  return torch.cat([t.expand(t.size(0), n, t.size(2)), torch.ones_like(t).expand(t.size(0), self.kv, t.size(2))], 1)

def prefill_table(self, rope, original: int, n: int, lens) -> Tensor:
  # [n, heads, head_dim / 2]; where a prompt's length decides, as of texts of more than `original` tokens, [B, n, heads, head_dim / 2]
  if original == 0:
    return self.turns(rope[:n])
  tables = torch.stack([self.turns(rope[:n]), self.turns(rope[self.context:self.context + n])])
  return tables.index_select(0, (lens > original).to(4))

def prefill_tables(self, g: List[Tensor], n: int, lens) -> List[Tensor]:
  if not self.rotary:
    return [g[3], g[3]]
  far = self.prefill_table(g[3], self.original, n, lens)
  return [far, self.prefill_table(g[4], self.local_original, n, lens) if self.local_rope else far]

def decode_rows(self, rope, original: int, position):
  # a position behind the original context turns as a text of that length; those in the cache stay as they are
  row = position if original == 0 else torch.where(position < original, position, position + self.context)
  return rope.index_select(0, row)

def decode_table(self, rope, original: int, position) -> Tensor:
  return self.turns(self.decode_rows(rope, original, position)).unsqueeze(1)

def slopes(self, x):
  # of ALiBi, one per head, where x is: for n heads, n a power of two, powers of 2 ** (-8 / n); for more, between them
  n = self.alibi_heads
  s = torch.pow(2.0, torch.arange(1, n + 1, device=x.device) * (-8.0 / n))
  if self.heads > n:
    s = torch.cat([s, torch.pow(2.0, torch.arange(1, 1 + 2 * (self.heads - n), 2, device=x.device) * (-4.0 / n))])
  return s

def prefill_mask(self, n: int, local: bool, x) -> Optional[Tensor]:
  # [n, n] or [1, heads, n, n] to add; None where causality is all
  if self.attention_cap == 0.0 and not self.alibi and not (local and n > self.window):
    return None
  at = torch.arange(n, device=x.device)
  back = at.unsqueeze(1) - at.unsqueeze(0)
  hidden = back < 0
  if local:
    hidden = hidden | (back >= self.window)
  m = torch.zeros([n, n], device=x.device).masked_fill_(hidden, -inf)
  if self.alibi:
    m = m - self.slopes(x).view(1, self.heads, 1, 1) * back
  return m

def prefill_masks(self, n: int, x) -> List[Optional[Tensor]]:
  out: List[Optional[Tensor]] = []
  out.append(self.prefill_mask(n, False, x))
  out.append(self.prefill_mask(n, True, x) if self.window > 0 else None)
  return out

def prefill(self, ids, lens, of: List[int], rows: List[int], slot: int, tokens: int, g: List[Tensor], pw: List[$WEIGHT], kv: List[Tensor]) -> Tensor:
  # Prompts ids [U, P], right padded, of lens [U]: row rows[i] of the cache gets prompt of[i], which ends in front of slot. At most about `tokens` go
  # through at once. The logits after the prompts, [len(rows), V]
  u, n = ids.size(0), ids.size(1)
  last: List[Tensor] = []
  i = 0
  while i < u:
    # By the library, what becomes of a prompt does not depend on the others: those that its attention takes go together, each other one by itself
    whole = self.by_token(int(lens[i]))
    c = 1
    if whole or not $NATIVE:
      while i + c < u and c < tokens // n and (not $NATIVE or self.by_token(int(lens[i + c]))):
        c += 1
    longest = int(lens[i:i + c].max())
    part = ids[i:i + c, :longest]
    at = torch.arange(longest, device=ids.device)
    own = torch.empty([2, c, self.kv, longest, self.hd], dtype=$CACHE if $EXACT else 6, device=ids.device)
    x = self.embedded(part, at, g)
    how: List[Optional[Tensor]] = []
    rope: List[Tensor] = []
    masks: List[Optional[Tensor]] = []
    if whole:
      how = self.native_tables(at.repeat(c), x, g)
    else:
      rope = self.prefill_tables(g, longest, lens[i:i + c])
      masks = self.prefill_masks(longest, ids)
    for l in range(self.layers):
      if whole:
        x = self.native_layer(x, l, how, torch.zeros([c], dtype=4, device=ids.device), 0, None, g, pw, own)
      else:
        x = self.layer(x, g, pw, l, rope, own, 0, longest, [0, 0], masks)
      for j in range(len(rows)):
        k = of[j] - i
        if k >= 0 and k < c:
          m = int(lens[of[j]])
          torch.narrow(kv[l][:, rows[j]], 2, slot - m, m).copy_(torch.narrow(own[:, k], 2, 0, m))
    last.append(x.index_select(0, torch.arange(c, device=ids.device) * longest + lens[i:i + c] - 1))
    i += c
  return self.logits(torch.cat(last), g, pw).index_select(0, torch.tensor(of, device=ids.device))

def by_token(self, n: int) -> bool:
  # Whether the library's attention takes a prompt of n tokens, each as if it were decoded: up to so many that takes no longer than torch's (docs/performance.md). It
  # cannot where a text's length decides how its positions turn, or something of a method's stands before it
  if $EXACT:
    return True
  return $NATIVE and n <= 2048 and self.original == 0 and self.local_original == 0 and not self.begins_apart()

def begins_apart(self) -> bool:
  # whether a method's text puts keys and values before every text
  return False

def decode_mask(self, slot: int, first: int, start, mask: Optional[Tensor]) -> Optional[Tensor]:
  # what is added to the scores of tokens in `slot` that look back at `first` and the slots behind it, [B * kv heads, group or 1, slots]
  n = slot + 1 - first
  m = mask
  if m is not None:
    m = torch.narrow(m, 2, first, n)
  if self.alibi:
    away = (torch.arange(n - 1, -1, -1, device=start.device) * self.slopes(start).unsqueeze(1)).neg_().view(self.kv, self.heads // self.kv, n).repeat(start.size(0), 1, 1)
    m = away if m is None else m + away
  return m

def native_tables(self, position, x, g: List[Tensor]) -> List[Optional[Tensor]]:
  # of rotation at each row's position, for layers that are not local and those that are; and ALiBi's slopes
  far: Optional[Tensor] = None
  near: Optional[Tensor] = None
  if self.rotary:
    far = self.decode_rows(g[3], self.original, position)
    near = self.decode_rows(g[4], self.local_original, position) if self.local_rope else far
  slopes: Optional[Tensor] = None
  if self.alibi:
    slopes = self.slopes(x)
  return [far, near, slopes]

def native_layer(self, x, l: int, how: List[Optional[Tensor]], start, slot: int, sources: Optional[Tensor], g: List[Tensor], pw: List[$WEIGHT], kv):
  # tokens of each row, from `slot` on: attention is one operator, which sees to starts and windows itself
  if $NATIVE:
    local = self.local[l] == 1
    gains: Optional[Tensor] = None
    if self.qk_norm:
      gains = g[9 + 16 * l + 8]
    a = ops.troupe.attend(self.projected(x, g, pw, l), gains, self.eps * self.hd, how[self.local[l]], kv, start, slot, self.window if local else 0, self.attention_scale, self.attention_cap, how[2], sources)
    x = self.finished(x, a, g, pw, l)
  return x

def native_layers(self, x, position, start, slot: int, sources: Optional[Tensor], g: List[Tensor], pw: List[$WEIGHT], kv: List[Tensor]):
  # one token of each row through all layers
  how = self.native_tables(position, x, g)
  for l in range(self.layers):
    x = self.native_layer(x, l, how, start, slot, sources, g, pw, kv[l])
  return x

def torch_layers(self, x, position, start, slot: int, first: int, mask: Optional[Tensor], g: List[Tensor], pw: List[$WEIGHT], kv: List[Tensor]):
  rope = [g[3], g[3]]
  if self.rotary:
    far = self.decode_table(g[3], self.original, position)
    rope = [far, self.decode_table(g[4], self.local_original, position) if self.local_rope else far]
  near = max(first, slot + 1 - self.window) if self.window > 0 else first
  masks = [self.decode_mask(slot, first, start, mask), self.decode_mask(slot, near, start, mask) if self.window > 0 else None]
  for l in range(self.layers):
    x = self.layer(x, g, pw, l, rope, kv[l], slot, 1, [first, near], masks)
  return x

def decode(self, token, start, slot: int, first: int, mask: Optional[Tensor], g: List[Tensor], pw: List[$WEIGHT], kv: List[Tensor]) -> Tensor:
  # token, start [B]; first: the smallest start; mask [B * kv heads, 1, S] to add, or None; logits [B, V]
  return self.decode_sharing(token, start, slot, first, None, mask, g, pw, kv)

def decode_sharing(self, token, start, slot: int, first: int, sources: Optional[Tensor], mask: Optional[Tensor], g: List[Tensor], pw: List[$WEIGHT], kv: List[Tensor]) -> Tensor:
  # sources [B, 2]: for each row, another one and the slot before which that one's keys and values are the same, so that those of a prompt that several rows
  # answer are read from memory once; the library's attention does that
  # a row that has ended may stay past the last position
  position = (slot - start).clamp_(max=self.context - 1)
  x = self.embedded(token.unsqueeze(1), position.unsqueeze(1), g)
  if $NATIVE:
    x = self.native_layers(x, position, start, slot, sources, g, pw, kv)
  else:
    x = self.torch_layers(x, position, start, slot, first, mask, g, pw, kv)
  return self.logits(x, g, pw)

def exact_logprobs(self, ids: List[Tensor], reads, targets, temperature: float, g: List[Tensor], pw: List[$WEIGHT]) -> Tensor:
  # log p(targets) at the temperature, [M], the bits that sampling gives: of a micro-batch in sections and positions that are read, as decoder.py's evaluate
  out: List[Tensor] = [torch.zeros([0], device=reads.device)]
  if $EXACT:
    states: List[Tensor] = []
    for s in ids:
      b, n = s.size(0), s.size(1)
      at = torch.arange(n, device=s.device)
      x = self.embedded(s.clamp(min=0), at, g)
      how = self.native_tables(at.repeat(b), x, g)
      own = torch.empty([2, b, self.kv, n, self.hd], dtype=$CACHE, device=s.device)
      start = torch.zeros([b], dtype=4, device=s.device)
      for l in range(self.layers):
        x = self.native_layer(x, l, how, start, 0, None, g, pw, own)
      states.append(x)
    x = (states[0] if len(states) == 1 else torch.cat(states)).index_select(0, reads)
    for i in range(0, x.size(0), 64):
      z = self.logits(x[i:i + 64], g, pw)
      out.append(ops.troupe.logprobs(z, targets[i:i + 64], temperature))
  return torch.cat(out)

def start_mask(self, start, first: int, slots: int) -> Optional[Tensor]:
  # hides what is before a row's start; None where no row looks there
  if bool((start <= first).all()):
    return None
  b = start.size(0)
  hide = torch.arange(slots, device=start.device).unsqueeze(0) < start.unsqueeze(1)
  m = torch.zeros([b, 1, slots], device=start.device).masked_fill_(hide.view(b, 1, slots), -inf)
  return m.repeat_interleave(self.kv, 0)

# ---- sampling

def blocks(self, x, behind: float):
  # [B, V] as [B, blocks, 256], filled up with `behind`: to look for something in a vocabulary by block, then within one
  b, v = x.size(0), x.size(1)
  n = (v + 255) // 256
  return (x if n * 256 == v else torch.constant_pad_nd(x, [0, n * 256 - v], behind)).view(b, n, 256)

def block(self, xs, k):
  # [B, 256], of each row its block k [B, 1]
  return xs.gather(1, k.unsqueeze(2).expand(xs.size(0), 1, 256)).squeeze(1)

def likeliest(self, z):
  # the first token of the largest logit, [B, 1]: of logits, as probabilities may round two of them to one number
  xs = self.blocks(z, -inf)
  k = torch.argmax(torch.amax(xs, [-1]), -1, True)
  return k * 256 + torch.argmax(self.block(xs, k), -1, True)

def drawn(self, p, u):
  # the first token up to which the probabilities, in the vocabulary's order, add up to more than a share u of all, [B, 1]; its own is never 0
  xs = self.blocks(p, 0.0)
  sums = xs.sum([-1])
  c = torch.cumsum(sums, -1)
  t = u * c[:, -1:]
  k = torch.searchsorted(c, t, right=True).clamp_(max=c.size(1) - 1)
  inner = torch.cumsum(self.block(xs, k), -1)
  # within the block, whose sum is another by a rounding
  t = torch.minimum(t - (c - sums).gather(1, k), inner[:, -1:] * 0.9999998)
  return k * 256 + torch.searchsorted(inner, t, right=True)

def pick(self, logits, u, temperature: float, topk: int, topp: float) -> Tuple[Tensor, Tensor]:
  # u [B], one uniform number per row, decides; logits may be overwritten. Returns the tokens [B] and their log-probabilities over the whole vocabulary: top-k and top-p
  # restrict the choice alone
  if $NATIVE:
    if topk <= 0 and topp >= 1.0:
      return ops.troupe.choose(logits, u, temperature)
  if $EXACT:
    i = self.restricted(logits.clone(), u, temperature, topk, topp)[0]
    return i, ops.troupe.logprobs(logits, i, temperature)
  return self.restricted(logits, u, temperature, topk, topp)

def restricted(self, logits, u, temperature: float, topk: int, topp: float) -> Tuple[Tensor, Tensor]:
  # pick, by torch's operators
  vocabulary = logits.size(1)
  z = logits if temperature == 0.0 or temperature == 1.0 else logits.div_(temperature)
  p = torch.softmax(z, -1)
  if temperature == 0.0:
    i = self.likeliest(z)
  elif topk <= 0 and topp >= 1.0:
    i = self.drawn(p, u.unsqueeze(1))
  else:
    k = min(vocabulary, topk if topk > 0 else 64)
    ix = torch.topk(z, k, -1)[1]
    q = p.gather(1, ix)
    c = torch.cumsum(q, -1)
    # top-p alone: look at more candidates until they hold enough
    while topk <= 0 and k < vocabulary and bool((c[:, -1] < topp).any()):
      k = min(vocabulary, k * 16)
      ix = torch.topk(z, k, -1)[1]
      q = p.gather(1, ix)
      c = torch.cumsum(q, -1)
    if topk > 0:
      # top-p counts within what top-k left
      q = q / c[:, -1:]
      c = c / c[:, -1:]
    if topp < 1.0:
      q = q * ((c - q) < topp)
    c = torch.cumsum(q, -1)
    j = torch.searchsorted(c, u.unsqueeze(1) * c[:, -1:], right=True).clamp_(max=k - 1)
    i = ix.gather(1, j)
  return i.squeeze(1), torch.log(p.gather(1, i)).squeeze(1)

def step(self, token, start, slot: int, first: int, sources: Optional[Tensor], mask: Optional[Tensor], u, temperature: float, topk: int, topp: float, g: List[Tensor], pw: List[$WEIGHT], kv: List[Tensor]) -> Tuple[Tensor, Tensor]:
  # one more token per row
  return self.pick(self.decode_sharing(token, start, slot, first, sources, mask, g, pw, kv), u, temperature, topk, topp)

def kept(self, rows, xs: List[Tensor]) -> List[Tensor]:
  return [x.index_select(1, rows) for x in xs]

def shifted(self, by: int, n: int, xs: List[Tensor]) -> int:
  # slots by … by + n - 1 become 0 … n - 1
  for x in xs:
    torch.narrow(x, 3, 0, n).copy_(torch.narrow(x, 3, by, n).clone())
  return 1

# ---- the probe

def score(self, ids, split: int, g: List[Tensor], pw: List[$WEIGHT]) -> Tensor:
  # log p(ids[:, split]) … at temperature 1, [B, T - split]: the first by prefill, the others by decoding
  b, n = ids.size(0), ids.size(1)
  kv = self.cache(b, n, ids)
  rows = [i for i in range(b)]
  z = self.prefill(ids[:, :split], torch.full([b], split, dtype=4, device=ids.device), rows, rows, split, 4096, g, pw, kv)
  start = torch.zeros([b], dtype=4, device=ids.device)
  out: List[Tensor] = []
  for t in range(split, n):
    if t > split:
      z = self.decode(ids[:, t - 1], start, t - 1, 0, None, g, pw, kv)
    out.append((z.gather(1, ids[:, t:t + 1]) - torch.logsumexp(z, [-1], True)).squeeze(1))
  return torch.stack(out, 1)

def states(self, ids, g: List[Tensor], pw: List[$WEIGHT]) -> List[Tensor]:
  # the residual stream after each layer, [B * T, d] each
  b, n = ids.size(0), ids.size(1)
  kv = self.cache(b, n, ids)
  rope = self.prefill_tables(g, n, torch.full([b], n, dtype=4, device=ids.device))
  masks = self.prefill_masks(n, ids)
  x = self.embedded(ids, torch.arange(n, device=ids.device), g)
  out: List[Tensor] = []
  for l in range(self.layers):
    x = self.layer(x, g, pw, l, rope, kv[l], 0, n, [0, 0], masks)
    out.append(x)
  return out

def worst(self, a: List[Tensor], b: List[Tensor]) -> Tensor:
  # per pair, the largest difference over the largest number, [layers]
  out: List[Tensor] = []
  for i in range(len(a)):
    out.append((a[i] - b[i]).abs().max() / a[i].abs().max().clamp(min=1e-30))
  return torch.stack(out)
