# Of frozen weights that are held in blocks (models.quantisation.HeldLayout), in both kernels. A group's weight is one tensor of bytes; held_0 … held_3 say how those of
# the four groups of a layer lie there: kind (0 for signed bytes, 1 for NF4, 2 for FP4), block, whether scales are bytes, columns, rows of each tensor. $HELD: whether the
# library of operators makes numbers of them.

def held_as(self, g: int) -> List[int]:
  return [self.held_0, self.held_1, self.held_2, self.held_3][g]

def held_rows(self, g: int) -> List[int]:
  # for each row of a group's weight, which is stored there; empty where all are
  out: List[int] = []
  return self.held_order if g == 0 else out

def dense(self, w, g: int):
  # a group's weight [out, in] in float32
  if $HELD:
    return ops.troupe.held_numbers(w, self.held_as(g), self.held_rows(g), False)
  return self.out_of_blocks(w, g)

def block_scales(self, w, how: List[int], codes: int):
  # of each block, in float32
  rows = how[4:]
  blocks = sum(rows) * how[3] // how[1]
  if how[2] == 0:
    return torch.view_copy(w[codes:], dtype=6)
  behind = codes + (blocks + 3) // 4 * 4
  small = torch.tensor(self.scale_numbers, dtype=6, device=w.device).index_select(0, w[codes:codes + blocks].to(3))
  large = torch.view_copy(w[behind:], dtype=6)
  groups = 0
  for r in rows:
    groups += (r * how[3] // how[1] + 255) // 256
  out: List[Tensor] = []
  at = 0
  group = 0
  for i in range(len(rows)):
    own = rows[i] * how[3] // how[1]
    count = (own + 255) // 256
    each = torch.repeat_interleave(large[group:group + count], 256)[:own]
    out.append(small[at:at + own] * each + large[groups + i])
    at += own
    group += count
  return torch.cat(out)

def out_of_blocks(self, w, g: int):
  how = self.held_as(g)
  count = sum(how[4:]) * how[3]
  if how[0] == 0:
    codes = count
    each = torch.view_copy(w[:codes], dtype=1).float()
  else:
    codes = count // 2
    table = torch.tensor(self.code_numbers, dtype=6, device=w.device)
    # the two numbers of a byte
    both = torch.stack([table.repeat_interleave(16), table.repeat(16)], 1)
    each = both.index_select(0, w[:codes].to(3))
  out = (each.view(-1, how[1]) * self.block_scales(w, how, codes).unsqueeze(1)).view(-1, how[3])
  order = self.held_rows(g)
  return out.index_select(0, torch.tensor(order, device=w.device)) if len(order) > 0 else out
