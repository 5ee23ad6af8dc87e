"""A convolutional network with attention to the words that matter to each mention, after Shen and Huang 2016."""

import torch
from torch import Tensor, nn

from relclf.config.schema import CnnConfig
from relclf.encoding.batches import Batch
from relclf.models.cnn import Cnn
from relclf.models.layers import WordEmbedding
from relclf.models.mentions import mention_means


class AttentionCnn(Cnn):
    """The CNN with two more features beside its maxima, one a mention: the mean of the sentence's word vectors with
    weights a_i = softmax over i of v tanh(W [w_i, e] + b), where w_i is a word's vector and e the mention's.

    Departures from the paper: no part of speech, e is the mean over a mention's tokens, and the hidden width, which
    is that of the words; a bias after v would not change a softmax.
    """

    def __init__(
        self,
        config: CnnConfig,
        words: WordEmbedding,
        positions: int,
        relations: int,
        unscored: int | None = None,
    ) -> None:
        """As the CNN's."""
        super().__init__(config, words, positions, relations, unscored)
        self.attention = nn.Linear(2 * config.word_dim, config.word_dim)
        self.attention_scores = nn.Linear(config.word_dim, 1, bias=False)

    def beside(self, words: Tensor, batch: Batch) -> list[Tensor]:
        """The CNN's own, then the two attended means, (batch, word width) each; words: (batch, length, word width)."""
        own_weights, mention_weights = self.attention.weight.chunk(2, dim=1)
        own = words @ own_weights.T + self.attention.bias  # (batch, length, hidden), shared by both mentions
        means = mention_means(words, batch, self._inside)  # (batch, 2, word width)
        mentions = means @ mention_weights.T
        attended = []
        for mention in mentions.unbind(1):
            scores = self.attention_scores(torch.tanh(own + mention[:, None]))[:, :, 0]
            shares = scores.masked_fill(~batch.mask, -torch.inf).softmax(dim=1)
            attended.append(torch.bmm(shares[:, None], words)[:, 0])
        return [*super().beside(words, batch), *attended]
