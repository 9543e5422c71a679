# What this processor makes of products of bytes.

def exact(self) -> bool:
  # (255 - 128) * 127, 64 times, for 16 rows and outputs. Without VNNI two products of 255 * 127 are added in 16 bits, which cannot hold them
  w = ops.onednn.qlinear_prepack(torch.full([16, 64], 127, dtype=1), None)
  x = torch.full([16, 64], 255, dtype=0)
  y = ops.onednn.qlinear_pointwise(x, 1.0, 128, w, torch.ones([16]), torch.zeros([1], dtype=4), None, 1.0, 0, 6, 'none', [], '')
  return bool((y == 64 * 127 * 127).all())
