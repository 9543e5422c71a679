# The decoder on the training path: LoRA beside the frozen weights, a graph from the flat parameter buffer to the hidden states. What
# distinguishes a family is an attribute: a choice that is off costs nothing. $FUSED, $WIDE, $LINEAR, $LOGITS and $STATES: whose operators (Products.java).
#
# w = [embed, norm, head, rope, local rope, positions, embed_norm, embed_norm bias, norm bias] + 16 per layer, 0 … 15:
#     [attn_norm, qkv, o, mlp_norm, gate_up, down, attn_norm bias, qkv bias, q_norm, k_norm, o bias, post_attn_norm, mlp_norm bias,
#     gate_up bias, down bias, post_mlp_norm]; what a family lacks is empty. rope [positions, 1, head_dim / 2, 2] is
#     (cos, sin) and q, k rows are interleaved so that a rotary pair is adjacent and RoPE is one complex product. Where texts of more than `original`
#     tokens turn otherwise (longrope), the positions of those stand behind, [2 * positions, 1, head_dim / 2, 2].
# p = the flat buffer, split by self.sizes. LoRA: 11 pieces per layer [A_qkv, B_q, B_k, B_v, A_o, B_o, A_gate_up, B_gate, B_up, A_down, B_down],
#     A [ranks, in], B [rank, out]; a layer that is not adapted has rank 0; a family with q, k and v in one has its B in that of q. With DoRA
#     then 7 magnitudes per layer, [out] or empty; then what of w is trained whole, whose places are attributes. Full: the weights of w but the computed ones, in order. Last the value head, if any.
# ids = a micro-batch in sections, [B, T] each, right padded by -1: what goes position by position takes them all end to end, attention one after the other.
# Letters: B rows, T tokens a row, N the sum of B * T over the sections, d width, M read positions.

def pieces(self, flat):
  return torch.split_with_sizes(flat, self.sizes)

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

def weights(self, w: List[Tensor], p: List[Tensor]) -> List[Tensor]:
  # the weights to use: the frozen ones but for what is trained whole, or views of the buffer where everything is
  if not self.full:
    return self.beside(self.replaced(w, p), p)
  out: List[Tensor] = []
  i = 0
  for k in range(len(w)):
    if k == 2 and self.tied:
      out.append(out[0])
    elif k == 3 or k == 4 or w[k].numel() == 0:
      out.append(w[k])
    else:
      out.append(p[i].view(w[k].shape))
      i += 1
  return out

def rounded(self, x):
  return x.to(15) if self.bf16 else x

def linear(self, x, w):
  # of a weight of the model: bfloat16, factors and result, where that is chosen
  return $LINEAR

def rows_linear(self, x, w, g: int, first: int, count: int):
  # of some rows of the weight of a layer's group g; how that is held (kernels/storage) may put its own in this place
  return self.linear(x, w[first:first + count])

def dense(self, w, g: int):
  # the weight of a layer's group g in float32, [out, in]
  return self.exact(w)

def of_head(self, x, head):
  # logits, in float32
  return $LOGITS

def to_states(self, dz, head):
  # the gradient of logits carried to what they are of
  return $STATES

def attending(self, x):
  # what attention computes in: also bfloat16 where that is chosen, but for ALiBi, whose distances have too many digits
  return x.to(15) if self.bf16 and not self.alibi else self.exact(x)

def exact(self, x):
  return x.float() if self.bf16 else x

def rms(self, x, g):
  n = torch.linalg_vector_norm(x, 2, [-1], True)
  if self.plus_one:
    g = g + 1
  return (x * torch.rsqrt(n * n / x.size(-1) + self.eps)) * g

def scaled(self, x, g, narrow: bool):
  # RMS norm of rows; in bfloat16 where narrow, else in float32
  if $FUSED:
    return ops.troupe.norm(x, g, self.eps, self.plus_one, narrow)
  y = self.rms(self.exact(x), g)
  return y.to(15) if narrow else y

def normed(self, x, g, b):
  if self.layer_norm:
    return torch.layer_norm(x, [x.size(-1)], g, b, self.eps)
  return self.scaled(x, g, False)

def prepared(self, x, g, b):
  # normed, in the numbers of products
  if self.layer_norm:
    return self.rounded(self.normed(x, g, b))
  return self.scaled(x, g, self.bf16)

def activated(self, x):
  if self.activation == 0:
    return torch.silu(x)
  if self.activation == 1:
    return torch.gelu(x)
  if self.activation == 2:
    return torch.gelu(x, approximate='tanh')
  return torch.relu(x)

def gated_by(self, gate, up):
  if $FUSED:
    if self.activation != 1:
      return ops.troupe.activated(gate, up, self.activation, False)
  return self.activated(gate) * up

def of_whole(self, x):
  # activations of rows that are gates and factors side by side, or the activations alone
  if $FUSED:
    if self.activation != 1:
      return ops.troupe.activated(x, None, self.activation, self.gated)
  if self.gated:
    gate, up = x.chunk(2, -1)
    return self.activated(gate) * up
  return self.activated(x)

def capped(self, z):
  # final logits; z is overwritten
  if self.final_cap > 0.0:
    return z.div_(self.final_cap).tanh_().mul_(self.final_cap)
  return z

def group_outs(self, p: List[Tensor], l: int, g: int) -> List[Tensor]:
  # the B of a group's linear layers, [rank, out] each; rank 0 where one is not adapted. Scaled here where scales differ.
  out: List[Tensor] = []
  for j in range(self.group_size[g]):
    k = self.group_linear[g] + j
    if self.widths[k] > 0:
      b = p[11 * l + self.group_piece[g] + 1 + j]
      b = b.view(b.numel() // self.widths[k], self.widths[k])
      out.append(b if self.even else b * self.scales[7 * l + k])
  return out

def dropped(self, x, seed: int, l: int, g: int, j: int):
  # the input of layer l, group g, linear layer j: each number 0 with probability drop_below / 2^53, else scaled up. The coin is a hash of its
  # place and the seed (SplitMix64): the same however many threads there are, and no generator is shared with other lanes.
  z = torch.arange(x.numel(), device=x.device) * -7046029254386353131 + (seed + (28 * l + 4 * g + j) * -4658895280553007687)
  z = ((z >> 30) & 17179869183).bitwise_xor_(z).mul_(-4658895280553007687)
  z = ((z >> 27) & 137438953471).bitwise_xor_(z).mul_(-7723592293110705685)
  z = ((z >> 31) & 8589934591).bitwise_xor_(z)
  keep = ((z >> 11) & 9007199254740991) >= self.drop_below
  return x * keep.view(x.shape).type_as(x).mul_(self.keep_scale)

def low_rank(self, x, y, p: List[Tensor], l: int, g: int, seed: int):
  # y + scale * (x Aᵀ) B, for one A over several outputs, in the numbers of y; y [N, out]. Groups g: q k v, o, gate up, down. Seed 0: no dropout
  a = p[11 * l + self.group_piece[g]]
  if a.numel() == 0:
    return y
  b = self.group_outs(p, l, g)
  # in place: y is fresh from a product, whose gradient does not need it
  return y.addmm_(self.narrowed(x, a.view(-1, x.size(1)).type_as(y), b, l, g, seed), torch.block_diag(b).type_as(y), beta=1, alpha=self.scale)

def fixed(self, l: int, g: int) -> bool:
  # whether no row of a group's weight is trained
  return not self.full and self.whole_matrices[4 * l + g] == 0

def adapts(self, l: int, g: int, seed: int) -> bool:
  # whether a frozen weight's product and its LoRA, if it has any, are one operator
  return $WIDE and self.fixed(l, g) and not self.dora and (seed == 0 or self.drop_below == 0)

def adapted(self, x, w, residual: Optional[Tensor], p: List[Tensor], l: int, g: int):
  # that product of a whole group; with a residual, that and it in float32
  a, b = torch.zeros([0, w.size(1)], device=w.device), [torch.zeros([0, w.size(0)], device=w.device)]
  if self.lora:
    of_group = p[11 * l + self.group_piece[g]]
    if of_group.numel() > 0:
      a, b = of_group.view(-1, w.size(1)), self.group_outs(p, l, g)
  return self.one_product(x, w, a, b, residual)

def one_product(self, x, w, a, b: List[Tensor], residual: Optional[Tensor]):
  if $WIDE:
    second: Optional[Tensor] = None
    third: Optional[Tensor] = None
    if len(b) > 1:
      second = b[1]
    if len(b) > 2:
      third = b[2]
    return ops.troupe.wide_adapted(x, w, a, b[0], second, third, self.scale, residual)
  return x

def narrowed(self, x, a, b: List[Tensor], l: int, g: int, seed: int):
  # x Aᵀ of a group
  if seed == 0 or self.drop_below == 0:
    return torch.linear(x, a)
  # every linear layer drops inputs of its own
  parts: List[Tensor] = []
  r = 0
  for j in range(len(b)):
    n = b[j].size(0)
    if n > 0:
      parts.append(torch.linear(self.dropped(self.exact(x), seed, l, g, j).type_as(a), a[r:r + n]))
      r += n
  return torch.cat(parts, 1)

def gate_up(self, x, w, p: List[Tensor], l: int, seed: int) -> List[Tensor]:
  # both halves with LoRA, each a product of its own: the gradient of one cut in two would be put together by a copy
  if self.adapts(l, 2, seed):
    rows = p[11 * l + self.group_piece[2]].view(-1, x.size(1))
    outs = self.group_outs(p, l, 2)
    first = outs[0].size(0)
    return [self.one_product(x, w[:self.ffn], rows[:first], outs[:1], None), self.one_product(x, w[self.ffn:], rows[first:], outs[1:], None)]
  out = [self.rows_linear(x, w, 2, 0, self.ffn), self.rows_linear(x, w, 2, self.ffn, self.ffn)]
  a = p[11 * l + self.group_piece[2]]
  if a.numel() > 0:
    b = self.group_outs(p, l, 2)
    h = self.narrowed(x, a.view(-1, x.size(1)).type_as(out[0]), b, l, 2, seed)
    r = 0
    for j in range(len(b)):
      n = b[j].size(0)
      if n > 0:
        out[j] = out[j].addmm_(h[:, r:r + n], b[j].type_as(h), beta=1, alpha=self.scale)
        r += n
  return out

def project(self, x, w, b, residual: Optional[Tensor], p: List[Tensor], l: int, g: int, seed: int):
  # The one product with the weight of a layer's group g: [residual +] x wᵀ + b with what is trained beside it. x [N, in] in the numbers of products, w [out, in], b
  # [out] or empty. A method's text (kernels/methods) puts its own in this place; here it is LoRA's, or none
  return self.product(x, w, b, residual, p, l, g, seed)

def product(self, x, w, b, residual: Optional[Tensor], p: List[Tensor], l: int, g: int, seed: int):
  # the same with LoRA, or with nothing
  if self.adapts(l, g, seed):
    y = self.adapted(x, w, residual, p, l, g)
    return y + b if b.numel() > 0 else y
  if self.dora or self.bf16:
    y = self.linear(x, w)
    if self.dora:
      y = self.stretched(x, y, w, p, l, g, seed)
    elif self.lora:
      y = self.low_rank(x, y, p, l, g, seed)
    if residual is not None:
      y = residual + y
    return y + b if b.numel() > 0 else y
  if residual is not None:
    y = torch.addmm(residual, x, w.t())
  else:
    y = torch.linear(x, w, b) if b.numel() > 0 else torch.linear(x, w)
  if self.lora:
    y = self.low_rank(x, y, p, l, g, seed)
  return y + b if residual is not None and b.numel() > 0 else y

def magnitude(self, w, p: List[Tensor], l: int, g: int):
  # DoRA: m / |row of W + scale Bᵀ A|, the norm without a gradient (Liu et al., arXiv:2402.09353, 4.3); 1 for what is not adapted
  a = p[11 * l + self.group_piece[g]]
  if a.numel() == 0:
    return torch.ones([1], device=w.device)
  b = torch.block_diag(self.group_outs(p, l, g)).detach()
  whole = self.dense(w, g)
  norm = torch.linalg_vector_norm(torch.addmm(whole, b.t(), a.detach().view(-1, whole.size(1)), beta=1, alpha=self.scale), 2, [1])
  out: List[Tensor] = []
  r = 0
  for j in range(self.group_size[g]):
    k = self.group_linear[g] + j
    n = self.widths[k]
    if n > 0:
      m = p[11 * self.layers + 7 * l + k]
      out.append(m / norm[r:r + n] if m.numel() > 0 else torch.ones([n], device=w.device))
      r += n
  return torch.cat(out)

def stretched(self, x, y, w, p: List[Tensor], l: int, g: int, seed: int):
  # DoRA: m / |row| * (y + scale * (x Aᵀ) B), y the product of x and w, fresh. With dropout as PEFT: y of the whole x, and beside it
  # (m / |row| - 1) * (x' wᵀ) + m / |row| * scale * (x' Aᵀ) B of the dropped x', of its own for every linear layer
  a = p[11 * l + self.group_piece[g]]
  if a.numel() == 0:
    return y
  m = self.magnitude(w, p, l, g)
  if seed == 0 or self.drop_below == 0:
    return self.low_rank(x, y, p, l, g, seed) * m
  a = a.view(-1, x.size(1))
  b = self.group_outs(p, l, g)
  out: List[Tensor] = []
  i = 0
  r = 0
  for j in range(len(b)):
    n, k = b[j].size(0), b[j].size(1)
    part = y[:, i:i + k]
    if n > 0:
      d = self.dropped(self.exact(x), seed, l, g, j)
      h = torch.linear(torch.linear(d, a[r:r + n]), b[j].t()) * self.scale
      part = part + self.rows_linear(d, w, g, i, k) * (m[i:i + k] - 1) + h * m[i:i + k]
      r += n
    out.append(part)
    i += k
  return torch.cat(out, 1)

def slopes(self, x):
  # of ALiBi, one per head, where x is: for n heads, n a power of two, powers of 2 ** (-8 / n); for more, between them
  n = self.alibi_heads
  s = torch.pow(2.0, torch.arange(1, n + 1, device=x.device) * (-8.0 / n))
  if self.heads > n:
    s = torch.cat([s, torch.pow(2.0, torch.arange(1, 1 + 2 * (self.heads - n), 2, device=x.device) * (-4.0 / n))])
  return s

def mask(self, t: int, local: bool, x) -> Optional[Tensor]:
  # [T, T] or [1, heads, T, T] to add to the scores; None where causality is all
  if self.in_one() or (self.attention_cap == 0.0 and not self.alibi and not (local and t > self.window)):
    return None
  back = self.back(t, x)
  m = self.hidden_from(back, local)
  if self.alibi:
    m = m - self.slopes(x).view(1, self.heads, 1, 1) * back
  return self.attending(m.type_as(x))

def back(self, t: int, x):
  # [T, T]: how far behind each position the others are
  at = torch.arange(t, device=x.device)
  return at.unsqueeze(1) - at.unsqueeze(0)

def hidden_from(self, back, local: bool):
  # 0 where a position looks, -inf where it does not
  hidden = back < 0
  if local:
    hidden = hidden | (back >= self.window)
  return torch.zeros(back.shape, device=back.device).masked_fill_(hidden, -inf)

def block(self, t: int) -> int:
  # Rows of queries that attend together: not to what is behind the last of them. 0 for all rows at once by torch's own attention, which keeps no
  # probabilities for the gradient: for long texts, and where scores are more than a product and a mask
  if self.in_one() or t > self.blocked_tokens or self.attention_cap > 0.0 or self.alibi:
    return 0
  return max(self.block_rows, (t + 3) // 4)

def block_masks(self, t: int, local: bool, x) -> List[Tensor]:
  # of each block, [1, group * rows, positions], to add to the scores
  out: List[Tensor] = []
  b = self.block(t)
  if b > 0:
    m = self.attending(self.hidden_from(self.back(t, x), local).type_as(x))
    for i in range(0, t, b):
      n = min(i + b, t)
      out.append(m[i:n, :n].repeat(self.heads // self.kv, 1).unsqueeze(0))
  return out

def blocked(self, q, k, v, masks: List[Tensor]):
  # q [B, T, heads, head_dim], k, v [B, T, kv heads, head_dim]; [B * T, heads * head_dim]. The query heads of a group are rows of one product, so that
  # keys and values are not repeated. With its gradient two thirds to five sixths of the time of torch's attention in float32, a quarter to a third in bfloat16
  b, t, hk, hd = q.size(0), q.size(1), self.kv, self.hd
  g = self.heads // hk
  k = k.transpose(1, 2).reshape(b * hk, t, hd).transpose(1, 2)
  v = v.transpose(1, 2).reshape(b * hk, t, hd)
  out: List[Tensor] = []
  i = 0
  for part in q.split(self.block(t), 1):
    n = part.size(1)
    m = masks[i]
    rows = part.reshape(b, n, hk, g, hd).permute([0, 2, 3, 1, 4]).reshape(b * hk, g * n, hd)
    s = torch.baddbmm(m, rows, torch.narrow(k, 2, 0, m.size(2)), beta=1, alpha=self.attention_scale)
    a = torch.bmm(torch.softmax(s, -1), torch.narrow(v, 1, 0, m.size(2)))
    out.append(a.view(b, hk, g, n, hd).permute([0, 3, 1, 2, 4]))
    i += 1
  return torch.cat(out, 1).view(b * t, self.heads * hd)

def attention(self, q, k, v, mask: Optional[Tensor]):
  # [B, heads, T, head_dim] each
  if self.attention_cap > 0.0:
    assert mask is not None
    s = torch.tanh(self.exact(torch.matmul(q, k.transpose(2, 3))) * (self.attention_scale / self.attention_cap)) * self.attention_cap
    return torch.matmul(torch.softmax(s + mask, -1).type_as(v), v)
  return torch.scaled_dot_product_attention(q, k, v, mask, 0., mask is None, scale=self.attention_scale)

def of_section(self, q, k, v, mask: Optional[Tensor], blocks: List[Tensor]):
  # q [B, T, heads, head_dim], k, v [B, T, kv heads, head_dim]; [B * T, heads * head_dim]
  if self.block(q.size(1)) > 0:
    return self.blocked(q, k, v, blocks)
  rows, t, hq, hk, hd = q.size(0), q.size(1), self.heads, self.kv, self.hd
  g = hq // hk
  k = k.unsqueeze(3).expand(rows, t, hk, g, hd).reshape(rows, t, hq, hd)
  v = v.unsqueeze(3).expand(rows, t, hk, g, hd).reshape(rows, t, hq, hd)
  a = self.attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), mask)
  return a.transpose(1, 2).reshape(rows * t, hq * hd)

def in_one(self) -> bool:
  # whether attention is one operator from the product before it to the one behind it
  return $FUSED and self.attention_cap == 0.0 and not self.alibi

def at_once(self, qkv, q_gain, k_gain, rope, local: bool, ids: List[Tensor]):
  if $FUSED:
    sections: List[int] = []
    for s in ids:
      sections += [s.size(0), s.size(1)]
    of_q: Optional[Tensor] = None
    of_k: Optional[Tensor] = None
    turns: Optional[Tensor] = None
    if self.qk_norm:
      of_q, of_k = q_gain, k_gain
    if self.rotary:
      turns = torch.view_as_real(rope)
    window = self.window if local else 0
    return ops.troupe.attended(qkv, of_q, of_k, self.eps, self.plus_one, turns, sections, self.heads, self.kv, window, self.attention_scale)
  return qkv

def begun(self, k, v, p: List[Tensor], l: int) -> List[Tensor]:
  # keys and values [B, T, kv heads, head_dim] with what a method's text (kernels/methods) has in the place of the first
  return [k, v]

def attend(self, x, w: List[Tensor], p: List[Tensor], l: int, rope: List[Tensor], masks: List[Optional[Tensor]], blocks: List[List[Tensor]], ids: List[Tensor], seed: int):
  # [N, heads * head_dim], before the output projection
  hq, hk, hd = self.heads, self.kv, self.hd
  n = x.size(0)
  o = 9 + 16 * l
  h = self.prepared(x, w[o], w[o + 6])
  qkv = self.project(h, w[o + 1], w[o + 7], None, p, l, 0, seed)
  if self.in_one():
    return self.at_once(qkv, w[o + 8], w[o + 9], rope[self.local[l]], self.local[l] > 0, ids)
  qk, v = qkv.split_with_sizes([(hq + hk) * hd, hk * hd], -1)
  qk, v = self.exact(qk), self.attending(v)
  if self.qk_norm:
    gain = torch.cat([w[o + 8].expand(hq, hd), w[o + 9].expand(hk, hd)])
    qk = self.rms(qk.reshape(n, hq + hk, hd), gain)
  if self.rotary:
    qk = torch.view_as_real(torch.view_as_complex(qk.reshape(n, hq + hk, hd // 2, 2)) * rope[self.local[l]]).flatten(2)
  else:
    qk = qk.reshape(n, hq + hk, hd)
  q, k = self.attending(qk).split_with_sizes([hq, hk], 1)
  qs, ks, vs = self.parted(q, ids), self.parted(k, ids), self.parted(v, ids)
  out: List[Tensor] = []
  for i in range(len(ids)):
    rows, t = ids[i].size(0), ids[i].size(1)
    m = 2 * i + self.local[l]
    both = self.begun(ks[i].view(rows, t, hk, hd), vs[i].reshape(rows, t, hk, hd), p, l)
    out.append(self.of_section(qs[i].view(rows, t, hq, hd), both[0], both[1], masks[m], blocks[m]))
  return self.joined(out)

def finish(self, x, a, w: List[Tensor], p: List[Tensor], l: int, seed: int):
  # what a layer does after attention, each position by itself: output projection and MLP
  o = 9 + 16 * l
  before = x
  x = self.output(x, a, w[o + 2], w[o + 10], p, l, 1, seed)
  if self.post_norms:
    x = before + self.scaled(x, w[o + 11], False)
  h = self.prepared(before if self.parallel else x, w[o + 3], w[o + 12])
  if self.gated and self.lora and not self.dora and self.widths[self.group_linear[2] + 1] > 0:
    halves = self.gate_up(h, w[o + 4], p, l, seed)
    if self.mlp_bias:
      halves = [halves[0] + w[o + 13][:self.ffn], halves[1] + w[o + 13][self.ffn:]]
    a = self.gated_by(halves[0], halves[1])
  else:
    a = self.of_whole(self.project(h, w[o + 4], w[o + 13], None, p, l, 2, seed))
  before = x
  x = self.output(x, a, w[o + 5], w[o + 14], p, l, 3, seed)
  if self.post_norms:
    x = before + self.scaled(x, w[o + 15], False)
  return x

def output(self, x, a, w, b, p: List[Tensor], l: int, g: int, seed: int):
  # x and the product of a with a group's weight; that product alone where a norm comes behind it
  residual: Optional[Tensor] = None
  if not self.post_norms:
    residual = x
  return self.project(self.rounded(a), w, b, residual, p, l, g, seed)

def joined(self, parts: List[Tensor]):
  # end to end
  return parts[0] if len(parts) == 1 else torch.cat(parts)

def parted(self, x, ids: List[Tensor]) -> List[Tensor]:
  # what is of each section; one alone is not cut, as the gradient of that would be a copy
  return [x] if len(ids) == 1 else x.split_with_sizes([s.numel() for s in ids])

def table(self, rope, original: int, ids: List[Tensor]):
  # of rotation, [N, 1, head_dim / 2]; a row's length may decide
  out: List[Tensor] = []
  for s in ids:
    t = s.size(1)
    if original == 0:
      own = rope[:t].unsqueeze(0).expand(s.size(0), t, 1, self.hd // 2, 2)
    else:
      beyond = ((s >= 0).sum([1]) > original).view(-1, 1, 1, 1, 1)
      own = torch.where(beyond, rope[self.context:self.context + t], rope[:t])
    out.append(own.reshape(s.numel(), 1, self.hd // 2, 2))
  return torch.view_as_complex(self.joined(out))

def tables(self, w: List[Tensor], ids: List[Tensor]) -> List[Tensor]:
  # for layers that are not local and those that are
  if not self.rotary:
    return [w[3], w[3]]
  far = self.table(w[3], self.original, ids)
  return [far, self.table(w[4], self.local_original, ids) if self.local_rope else far]

def blocks(self, x, ids: List[Tensor]) -> List[List[Tensor]]:
  # masks by block, as masks by the whole
  out: List[List[Tensor]] = []
  for s in ids:
    far = self.block_masks(s.size(1), False, x)
    out.append(far)
    out.append(self.block_masks(s.size(1), True, x) if self.window > 0 else far)
  return out

def masks(self, x, ids: List[Tensor]) -> List[Optional[Tensor]]:
  # of each section two: for layers that are not local and those that are
  out: List[Optional[Tensor]] = []
  for s in ids:
    out.append(self.mask(s.size(1), False, x))
    out.append(self.mask(s.size(1), True, x) if self.window > 0 else None)
  return out

def looked_up(self, ids, w: List[Tensor], p: List[Tensor]):
  # [N, d], of ids [N]
  return self.exact(torch.embedding(w[0], ids))

def embedded(self, ids: List[Tensor], w: List[Tensor], p: List[Tensor]):
  # [N, d]
  x = self.looked_up(self.joined([s.view(-1) for s in ids]).clamp(min=0), w, p)
  if self.embedding_scale != 1.0:
    x = x * self.embedding_scale
  if self.learned:
    parts = self.parted(x, ids)
    out: List[Tensor] = []
    for i in range(len(ids)):
      t = ids[i].size(1)
      out.append((parts[i].view(-1, t, self.hidden) + w[5][self.offset:self.offset + t]).view(-1, self.hidden))
    x = self.joined(out)
  if self.embedding_norm:
    x = self.normed(x, w[6], w[7])
  return x

def advance(self, x, first: int, last: int, w: List[Tensor], p: List[Tensor], reads, ids: List[Tensor], seed: int) -> Tensor:
  # layers first … last - 1; behind the last of all only the positions that are read go on, and are normalised
  rope = self.tables(w, ids)
  masks = self.masks(x, ids)
  blocks = self.blocks(x, ids)
  for l in range(first, last):
    a = self.attend(x, w, p, l, rope, masks, blocks, ids, seed)
    if l == self.layers - 1:
      x, a = x.index_select(0, reads), a.index_select(0, reads)
    x = self.finish(x, a, w, p, l, seed)
  return self.normed(x, w[1], w[8]) if last == self.layers else x

def hidden_states(self, ids: List[Tensor], w: List[Tensor], p: List[Tensor], reads, seed: int) -> Tensor:
  # causal attention never looks at the pads behind; reads [M] into N; result [M, d], normalised
  return self.advance(self.embedded(ids, w, p), 0, self.layers, w, p, reads, ids, seed)

def read(self, s, head, targets, temperature: float, logprobs: bool, entropies: bool, keep: int) -> List[Tensor]:
  # log p(target) and entropy at temperature, chunk by chunk: no [M, vocabulary] tensor. Behind them, for seeds, the logits and their log-sum of as
  # many chunks as have no more than `keep` rows together
  lp: List[Tensor] = [torch.zeros([0], device=s.device)]
  en: List[Tensor] = [torch.zeros([0], device=s.device)]
  kept: List[Tensor] = []
  if logprobs or entropies:
    c = self.chunk
    for i in range(0, s.size(0), c):
      z, lse = self.next_logits(s[i:i + c], head, temperature)
      if logprobs:
        lp.append((z.gather(1, targets[i:i + c].unsqueeze(1)) - lse).squeeze(1))
      if entropies:
        p = (z - lse).exp_()
        en.append(lse.squeeze(1) - p.mul_(z).sum([-1]))
      if i + c <= keep:
        kept.append(z)
        kept.append(lse)
  return [torch.cat(lp), torch.cat(en)] + kept

def next_logits(self, x, head, temperature: float) -> Tuple[Tensor, Tensor]:
  # over temperature, and the logarithm of the sum of their exponentials, [M, 1]
  z = self.capped(self.of_head(x, head))
  if temperature != 1.0:
    z = z.div_(temperature)
  # a few rows at a time: their copy stays in the cache
  sums: List[Tensor] = []
  for i in range(0, z.size(0), 8):
    sums.append(torch.logsumexp(z[i:i + 8], [-1], True))
  return z, torch.cat(sums)

def forward(self, ids: List[Tensor], reads, targets, w: List[Tensor], flat, temperature: float, logprobs: bool, entropies: bool, values: bool, seed: int) -> List[Tensor]:
  # seed: of dropout, 0 for none. [hidden states with their graph, logprobs, entropies, values], behind them logits for backward
  return self.outputs(ids, reads, targets, w, flat, temperature, logprobs, entropies, values, seed, self.kept_rows)

def outputs(self, ids: List[Tensor], reads, targets, w: List[Tensor], flat, temperature: float, logprobs: bool, entropies: bool, values: bool, seed: int, keep: int) -> List[Tensor]:
  p = self.pieces(flat)
  ws = self.weights(w, p)
  s = self.hidden_states(ids, ws, p, reads, seed)
  d = s.detach()
  out = self.read(d, ws[2].detach(), targets, temperature, logprobs, entropies, keep)
  v = torch.mv(d, p[len(p) - 1].detach()) if values else torch.zeros([0], device=d.device)
  return [s, out[0], out[1], v] + out[2:]

def evaluate(self, ids: List[Tensor], reads, targets, w: List[Tensor], flat, temperature: float, logprobs: bool, entropies: bool, values: bool) -> List[Tensor]:
  torch.set_grad_enabled(False)
  return self.outputs(ids, reads, targets, w, flat, temperature, logprobs, entropies, values, 0, 0)[1:]

def sparing(self, ids: List[Tensor], reads, targets, w: List[Tensor], flat, temperature: float, logprobs: bool, entropies: bool, values: bool, seed: int) -> List[Tensor]:
  # as forward, without a graph: behind its four the inputs of each segment of layers, for again
  torch.set_grad_enabled(False)
  p = self.pieces(flat)
  ws = self.weights(w, p)
  x = self.embedded(ids, ws, p)
  kept: List[Tensor] = []
  for l in range(0, self.layers, self.segment):
    kept.append(x)
    x = self.advance(x, l, min(l + self.segment, self.layers), ws, p, reads, ids, seed)
  out = self.read(x, ws[2], targets, temperature, logprobs, entropies, 0)
  v = torch.mv(x, p[len(p) - 1]) if values else torch.zeros([0], device=x.device)
  return [x, out[0], out[1], v] + kept

def seeds(self, s, targets, w: List[Tensor], p: List[Tensor], temperature: float, gl, ge, gv, kept: List[Tensor]) -> List[Tensor]:
  # gl, ge, gv: dL/d(logprob, entropy, value), [M] or empty; kept: by read, overwritten. dL/d(s), the output matrix and the value head, the latter two
  # empty where not trained
  head = w[2]
  d = s.detach()
  seed = torch.zeros_like(d)
  ghead = torch.zeros_like(head) if self.trains_head else torch.zeros([0], device=d.device)
  if gl.numel() > 0 or ge.numel() > 0:
    c = self.chunk
    for i in range(0, d.size(0), c):
      x = d[i:i + c]
      k = 2 * (i // c)
      if k < len(kept):
        z, lse = kept[k], kept[k + 1]
      else:
        z, lse = self.next_logits(x, head, temperature)
      slope = torch.zeros([0], device=d.device)
      if self.final_cap > 0.0:
        # of cap tanh(z / cap)
        slope = (z * (temperature / self.final_cap)).square_().neg_().add_(1)
      lq = z.sub_(lse)
      # dL/dz = (g (onehot - q) - e q (log q + H)) / temperature, with as few [chunk, vocabulary] tensors as can be
      if ge.numel() > 0:
        q = torch.exp(lq)
        e = ge[i:i + c].unsqueeze(1) / temperature
        entropy = -(q * lq).sum([-1], True)
        f = lq.add_(entropy).mul_(e)
        if gl.numel() > 0:
          f.add_(gl[i:i + c].unsqueeze(1) / temperature)
        dz = q.mul_(f).neg_()
      else:
        dz = lq.exp_().mul_(gl[i:i + c].unsqueeze(1) / (-temperature))
      if gl.numel() > 0:
        dz.scatter_add_(1, targets[i:i + c].unsqueeze(1), gl[i:i + c].unsqueeze(1) / temperature)
      if self.final_cap > 0.0:
        dz.mul_(slope)
      seed[i:i + c] = self.to_states(dz, head)
      if self.trains_head:
        ghead = ghead + dz.t() @ x
  gvalue = torch.zeros([0], device=d.device)
  if gv.numel() > 0:
    v = p[len(p) - 1]
    seed = seed + torch.outer(gv, v)
    gvalue = torch.mv(d.t(), gv)
  return [seed, ghead, gvalue]

def of_ghead(self, g, p: List[Tensor]) -> List[Tensor]:
  # of the gradient of the output matrix, what is of each piece that makes it, where a method's text does; nothing here
  return [torch.zeros([0], device=g.device) for t in p]

def with_heads(self, out, seeds: List[Tensor], p: List[Tensor]) -> Tensor:
  # adds what does not come through the hidden states, and leaves out what stays as it is
  if seeds[2].numel() > 0:
    out[out.size(0) - seeds[2].size(0):] += seeds[2]
  if self.head_at >= 0:
    out[self.head_at:self.head_at + seeds[1].numel()] += seeds[1].view(-1)
  if self.head_pieces:
    at = 0
    parts = self.of_ghead(seeds[1], p)
    for i in range(len(parts)):
      if parts[i].numel() > 0:
        out[at:at + parts[i].numel()] += parts[i]
      at += self.sizes[i]
  for i in range(len(self.frozen_at)):
    torch.narrow(out, 0, self.frozen_at[i], self.frozen_sizes[i]).zero_()
  return out

def backward(self, s, targets, w: List[Tensor], flat, temperature: float, gl, ge, gv, kept: List[Tensor]) -> Tensor:
  # kept: the logits behind the outputs of forward. Returns dL/d(flat), a new tensor
  torch.set_grad_enabled(False)
  p = self.pieces(flat)
  seeds = self.seeds(s, targets, self.weights(w, p), p, temperature, gl, ge, gv, kept)
  out = torch.zeros([0], device=s.device)
  if s.requires_grad:
    given: List[Optional[Tensor]] = [seeds[0]]
    torch.set_grad_enabled(True)
    got = torch.grad([s], [flat], given)[0]
    torch.set_grad_enabled(False)
    assert got is not None
    out = got
  else:
    # only the value head is trained: the hidden states do not depend on the buffer
    out = torch.zeros_like(flat)
  return self.with_heads(out, seeds, p)

def again(self, s, targets, w: List[Tensor], flat, temperature: float, gl, ge, gv, kept: List[Tensor], ids: List[Tensor], reads, seed: int) -> Tensor:
  # as backward, of what sparing has kept: each segment is computed again with its graph, from the last to the first
  torch.set_grad_enabled(False)
  p = self.pieces(flat)
  seeds = self.seeds(s, targets, self.weights(w, p), p, temperature, gl, ge, gv, [])
  out = torch.zeros_like(flat)
  g = seeds[0]
  for i in range(len(kept)):
    k = len(kept) - 1 - i
    first = k * self.segment
    torch.set_grad_enabled(True)
    p = self.pieces(flat)
    ws = self.weights(w, p)
    x = kept[k].detach().requires_grad_(True)
    # the embedding too has what may be trained: itself, and its norm
    start = self.embedded(ids, ws, p) if k == 0 and (self.full or len(self.whole_slots) > 0 or self.trains_embedding) else x
    y = self.advance(start, first, min(first + self.segment, self.layers), ws, p, reads, ids, seed)
    if y.requires_grad:
      given: List[Optional[Tensor]] = [g]
      got = torch.grad([y], [x, flat], given, False, False, True)
      torch.set_grad_enabled(False)
      of_flat = got[1]
      if of_flat is not None:
        out.add_(of_flat)
      of_x = got[0]
      if of_x is not None:
        g = of_x
    torch.set_grad_enabled(False)
  return self.with_heads(out, seeds, p)

def logits(self, ids, reads, w: List[Tensor], flat) -> Tensor:
  # [M, vocabulary], for tests and tools; ids [B, T]
  p = self.pieces(flat)
  ws = self.weights(w, p)
  return self.capped(self.of_head(self.hidden_states([ids], ws, p, reads, 0), ws[2]))

def states(self, ids, w: List[Tensor], flat) -> List[Tensor]:
  # the residual stream after each layer, [B * T, d] each: what the flip's probe compares when something is wrong; ids [B, T]
  p = self.pieces(flat)
  ws = self.weights(w, p)
  sections = [ids]
  rope = self.tables(ws, sections)
  x = self.embedded(sections, ws, p)
  masks = self.masks(x, sections)
  blocks = self.blocks(x, sections)
  out: List[Tensor] = []
  for l in range(self.layers):
    x = self.finish(x, self.attend(x, ws, p, l, rope, masks, blocks, sections, 0), ws, p, l, 0)
    out.append(x)
  return out

def adamw(self, pl: List[Tensor], gl: List[Tensor], ml: List[Tensor], vl: List[Tensor], sl: List[Tensor], norm: float, clip: float, lr: float, beta1: float, beta2: float, eps: float, decay: float) -> int:
  # The lists are arguments: an update through a list made here is removed as dead code.
  g = gl[0]
  if clip > 0.0 and norm > clip:
    g.mul_(clip / (norm + 1e-6))
  sl[0].add_(1)
  torch._fused_adamw_(pl, gl, ml, vl, [], sl, lr=lr, beta1=beta1, beta2=beta2, weight_decay=decay, eps=eps, amsgrad=False, maximize=False)
  return 1

def spans(self, x, starts: List[int], sizes: List[int]) -> List[Tensor]:
  # views of parts of the buffer
  return [torch.narrow(x, 0, starts[i], sizes[i]) for i in range(len(starts))]

def begin(self, g, s, norm: float, clip: float) -> int:
  # what a step does before parts of the buffer take it at rates of their own
  if clip > 0.0 and norm > clip:
    g.mul_(clip / (norm + 1e-6))
  s.add_(1)
  return 1

def adamw_spans(self, pl: List[Tensor], gl: List[Tensor], ml: List[Tensor], vl: List[Tensor], sl: List[Tensor], lr: float, beta1: float, beta2: float, eps: float, decay: float) -> int:
  torch._fused_adamw_(pl, gl, ml, vl, [], sl, lr=lr, beta1=beta1, beta2=beta2, weight_decay=decay, eps=eps, amsgrad=False, maximize=False)
  return 1

def norm(self, g) -> float:
  # over chunks of a fixed size, added up in their order as doubles: whoever holds some of the chunks comes to the same
  total = 0.0
  for i in range(0, g.size(0), 65536):
    n = float(torch.linalg_vector_norm(torch.narrow(g, 0, i, min(65536, g.size(0) - i))))
    total += n * n
  return torch.sqrt(total)

def norms(self, g) -> Tensor:
  # of those chunks, in float32 as they are: for whoever holds some of them
  out: List[Tensor] = []
  for i in range(0, g.size(0), 65536):
    out.append(torch.linalg_vector_norm(torch.narrow(g, 0, i, min(65536, g.size(0) - i))))
  return torch.stack(out)

def add(self, a, b) -> int:
  a.add_(b)
  return 1

def ema(self, average, now, decay: float) -> int:
  average.lerp_(now, 1.0 - decay)
  return 1

def leaf(self, x) -> Tensor:
  # an ordinary tensor (not an inference one) that autograd may differentiate by
  return x.detach().clone().requires_grad_(True)

def plain(self, x) -> Tensor:
  return x.detach().clone()

def zeros(self, x) -> Tensor:
  return torch.zeros_like(x.detach())
