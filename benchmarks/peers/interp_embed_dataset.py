"""interp_embed's `Dataset` over a workload, as `delphi_cache`.

Its classes for local dictionaries know SAELens's releases only, so that the dictionary comes
through the interface that they implement, in the manner of its `GoodfireSAE`: the model cut off
after the hooked block, dense latents, one CSR matrix a document.
"""

import sys
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from interp_embed import Dataset
from interp_embed.saes import BaseSAE
from scipy.sparse import csr_matrix
from torch import nn
from transformers import AutoModel, AutoTokenizer

from benchmarks.common.measure import Stretch, print_result, size_bytes
from benchmarks.encode.workload import Workload
from benchmarks.peers.topk import DenseTopK

BATCH_DOCUMENTS = 8  # its default


class WorkloadSAE(BaseSAE):  # type: ignore[misc]  # interp_embed has no types
    """The workload's model and dictionary; special tokens are left out, as everywhere here."""

    sae: DenseTopK | None = None

    def __init__(self, workload: Workload) -> None:
        super().__init__()
        self.workload = workload

    def load_models(self) -> None:
        self.tokenizer = AutoTokenizer.from_pretrained(self.workload.model)
        self.tokenizer.model_max_length = self.workload.window
        self.tokenizer.pad_token = self.tokenizer.pad_token or self.tokenizer.eos_token
        self.model = AutoModel.from_pretrained(self.workload.model, dtype=torch.float32).eval()
        stack, _, index = self.workload.module.rpartition(".")
        parent, _, name = stack.rpartition(".")
        blocks = self.model.get_submodule(stack)[: int(index) + 1]
        setattr(self.model.get_submodule(parent), name, nn.ModuleList(blocks))
        self.model.get_submodule(self.workload.module).register_forward_hook(self._keep)
        self.sae = DenseTopK(self.workload.dictionary)

    def _keep(self, _module: nn.Module, _args: Any, output: Any) -> None:
        self.activations = output[0] if isinstance(output, tuple) else output

    def encode(self, texts: list[str]) -> list[csr_matrix]:
        assert self.sae, "not loaded"
        inputs = super().tokenize(texts, padding=True, as_tokens=False)
        mask = torch.tensor(inputs["attention_mask"])
        with torch.no_grad():
            self.model(input_ids=torch.tensor(inputs["input_ids"]), attention_mask=mask)
            latents = self.sae(self.activations).numpy()
        rows = mask.numpy().astype(bool)
        return [self._text(csr_matrix(latents[i][rows[i]])) for i in range(len(latents))]

    def tokenize(
        self, documents: list[str], as_tokens: bool = True, padding: bool = False
    ) -> list[list[str]]:
        tokens = super().tokenize(documents, as_tokens=as_tokens, padding=padding)
        return [self._text(own) for own in tokens]

    def _text(self, rows: Any) -> Any:
        n_rows = rows.shape[0] if isinstance(rows, csr_matrix) else len(rows)
        return rows[self.workload.n_prefix : n_rows - self.workload.n_suffix]

    def destroy_models(self) -> None:
        self.model = self.sae = None


def main(workload: Workload, out: Path) -> None:
    torch.set_num_threads(workload.threads)
    texts = pd.read_parquet(workload.texts)[["text"]]
    sae = WorkloadSAE(workload)
    sae.load()
    sae.encode(["a"])
    stretch = Stretch()
    dataset = Dataset(texts, sae, batch_size=BATCH_DOCUMENTS)
    dataset.save_to_file(str(out / "dataset.pkl"))
    print_result(
        **stretch.stop(),
        n_tokens=sum(len(row.tokenized_document) for row in dataset.rows),
        n_codes=sum(row.latents("all", compress=True).nnz for row in dataset),
        codes_bytes=size_bytes(out),
    )


if __name__ == "__main__":
    main(Workload.read(sys.argv[1]), Path(sys.argv[2]))
