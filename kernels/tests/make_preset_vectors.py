"""Write tests/vectors/presets.npz: what the routers of `transformers` answer. Needs torch and transformers 5.23.

python tests/make_preset_vectors.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from transformers import (
    DeepseekV2Config,
    DeepseekV3Config,
    DeepseekV4Config,
    GptOssConfig,
    Llama4TextConfig,
    MixtralConfig,
    Qwen3MoeConfig,
)
from transformers.models.deepseek_v2.modeling_deepseek_v2 import DeepseekV2TopkRouter
from transformers.models.deepseek_v3.modeling_deepseek_v3 import DeepseekV3TopkRouter
from transformers.models.deepseek_v4.modeling_deepseek_v4 import DeepseekV4TopKRouter
from transformers.models.gpt_oss.modeling_gpt_oss import GptOssTopKRouter
from transformers.models.llama4.modeling_llama4 import Llama4Router
from transformers.models.mixtral.modeling_mixtral import MixtralTopKRouter
from transformers.models.qwen3_moe.modeling_qwen3_moe import Qwen3MoeTopKRouter

TOKENS = 32


def routers() -> dict[str, tuple[torch.nn.Module, int]]:
    """Each preset's router, of the published shape, and its number of experts."""
    return {
        "mixtral": (MixtralTopKRouter(MixtralConfig(hidden_size=8, num_local_experts=8, num_experts_per_tok=2)), 8),
        "qwen3": (
            Qwen3MoeTopKRouter(
                Qwen3MoeConfig(hidden_size=128, num_experts=128, num_experts_per_tok=8, norm_topk_prob=True)
            ),
            128,
        ),
        "deepseek_v2": (
            DeepseekV2TopkRouter(
                DeepseekV2Config(
                    hidden_size=160,
                    n_routed_experts=160,
                    num_experts_per_tok=6,
                    n_group=8,
                    topk_group=3,
                    topk_method="group_limited_greedy",
                    routed_scaling_factor=16.0,
                )
            ),
            160,
        ),
        "deepseek_v3": (DeepseekV3TopkRouter(DeepseekV3Config(hidden_size=256, n_routed_experts=256)), 256),
        "deepseek_v4": (DeepseekV4TopKRouter(DeepseekV4Config(hidden_size=256, n_routed_experts=256)), 256),
        "gpt_oss": (GptOssTopKRouter(GptOssConfig(hidden_size=128, num_local_experts=128)), 128),
        "llama4": (Llama4Router(Llama4TextConfig(hidden_size=16, num_local_experts=16)), 16),
    }


def answers(router: torch.nn.Module, logits: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """The weights and ids of a router whose gate is the identity, by id."""
    if isinstance(router, Llama4Router):
        scores, _ = router(logits)
        weights, ids = scores.topk(router.top_k, dim=-1)
    else:
        _, weights, ids = router(logits)
    order = ids.argsort(dim=-1)
    return weights.gather(1, order).float().numpy(), ids.gather(1, order).numpy()


def main() -> None:
    torch.manual_seed(20)
    vectors: dict[str, np.ndarray] = {}
    for name, (router, experts) in routers().items():
        logits = torch.randn(TOKENS, experts) * 3
        with torch.no_grad():
            router.weight.copy_(torch.eye(experts))
            if hasattr(router, "e_score_correction_bias"):
                router.e_score_correction_bias.copy_(torch.rand(experts) * 0.3)
                vectors[f"{name}.bias"] = router.e_score_correction_bias.numpy()
            weights, ids = answers(router, logits)
        vectors |= {f"{name}.logits": logits.numpy(), f"{name}.weights": weights, f"{name}.ids": ids}
    np.savez_compressed(Path(__file__).parent / "vectors" / "presets.npz", **vectors)


if __name__ == "__main__":
    main()
