# Virtual tokens before every text, in both kernels: ids behind the vocabulary. p has what they are from virtual_piece on, or an encoder's parameters: its
# embedding, then weight and bias of each linear layer.

def virtual_rows(self, p: List[Tensor], first: int, rows: int):
  # [virtual tokens, rows], of what they are the part from `first` on
  n = self.virtual_tokens
  x = p[self.virtual_piece].view(n, -1)
  if len(self.encoder_activations) == 0:
    return torch.narrow(x, 1, first, rows)
  last = len(self.encoder_activations) - 1
  for i in range(last + 1):
    w = p[self.virtual_piece + 1 + 2 * i].view(-1, x.size(1))
    b = p[self.virtual_piece + 2 + 2 * i]
    if i == last:
      w, b = torch.narrow(w, 0, first, rows), torch.narrow(b, 0, first, rows)
    x = torch.linear(x, w, b)
    if self.encoder_activations[i] == 1:
      x = torch.relu(x)
    elif self.encoder_activations[i] == 2:
      x = torch.tanh(x)
  return x
