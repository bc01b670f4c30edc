import numpy as np
import pytest
from cases import logits

torch = pytest.importorskip("torch")

import metaqore_kernels as mk  # noqa: E402
from metaqore_kernels import torch_ops  # noqa: E402

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]


@pytest.fixture(params=DEVICES)
def x(request):
    return torch.from_numpy(logits("plain", 9, 32)).to(request.param)


def test_every_operator_passes_opcheck(x):
    _, ids = torch_ops.route_select(x, 4, renormalize=True)
    permutation, inverse, *_ = torch_ops.route_permute(ids, 32, 8)
    rows = torch_ops.gather_rows(x, permutation, inverse)
    weights = torch.ones_like(ids, dtype=torch.float32)
    for operator, arguments in [
        (torch_ops.route_select, (x, 4, "sigmoid", torch.zeros(32, device=x.device), 4, 2, "top2_sum", True, 2.5)),
        (torch_ops.route_permute, (ids, 32, 8, 5)),
        (torch_ops.gather_rows, (x, permutation, inverse)),
        (torch_ops.combine, (rows, inverse, weights)),
        (torch_ops.balance_update, (ids[0], weights[0], 0.001)),
        (torch_ops.masked_topk, (x[:2].half(), x.half(), 3)),
    ]:
        torch.library.opcheck(operator, arguments)


def test_tensors_in_tensors_out(x):
    weights, ids = torch_ops.route_select(x, 4)
    expected = mk.route_select(x.cpu().numpy(), 4)
    np.testing.assert_array_equal(ids.cpu(), expected.ids)
    np.testing.assert_array_equal(weights.cpu(), expected.weights)


def test_the_functions_themselves_answer_in_tensors_too(x):
    ids = torch.zeros((3, 2), dtype=torch.int32, device=x.device)
    results = [*mk.route_permute(ids, 4, 4), *mk.masked_topk(x[:2], x, 3), mk.balance_update(ids, ids.float(), 0.1)]
    results += [*mk.moe_align_block_size(ids, 4, 4), *mk.grouped_rows(ids, 4), *mk.masked_rows(ids, 4, 8)]
    routed = mk.route(x, x[:8], 2, 4)
    for result in [*results, routed.logits, *routed.selection, *routed.permutation]:
        assert isinstance(result, torch.Tensor)
        assert result.device == x.device


def test_results_go_into_given_tensors(x):
    out = mk.Selection(torch.empty((9, 4), device=x.device), torch.empty((9, 4), dtype=torch.int64, device=x.device))
    assert mk.route_select(x, 4, out=out) is out
    assert torch.equal(out.weights, mk.route_select(x, 4).weights)


def test_bf16_goes_there_and_comes_back(x):
    x = x.bfloat16()
    _, ids = torch_ops.route_select(x, 4)
    permutation, inverse, *_ = torch_ops.route_permute(ids, 32, 8)
    rows = torch_ops.gather_rows(x, permutation, inverse)
    assert rows.dtype == torch.bfloat16
    assert torch.equal(torch_ops.combine(rows, inverse, torch.full(ids.shape, 0.25, device=x.device)), x)
