import pytest
from side_by_side import Flow, Run, as_json, flow_row, flow_table, ratio, row, table


def run(cpu_ms, p50_ms=1.0, requests_per_s=100.0, resident_mib=10.0):
    return Run(cpu_ms, requests_per_s, p50_ms, resident_mib)


def test_a_ratio_is_taken_within_each_round_so_that_a_slow_round_tells_nothing_of_the_gateway():
    base, other = [run(1.0), run(2.0), run(4.0)], [run(3.0), run(6.0), run(12.0)]
    assert row(other, base, base).cpu_ratio == 3


def test_a_round_that_went_wrong_for_one_does_not_move_the_median():
    assert ratio([2.0, 200.0, 2.0], [1.0, 1.0, 1.0]) == 2


def test_latency_is_what_is_added_to_the_direct_request_of_the_same_round():
    shown = row(
        [run(1, p50_ms=5), run(1, p50_ms=9), run(1, p50_ms=6)], [run(1, p50_ms=p) for p in (1, 5, 2)], [run(1)] * 3
    )
    assert shown.added_p50_ms == 4


def test_memory_is_the_most_that_was_seen():
    runs = [run(1, resident_mib=mib) for mib in (10, 30, 20)]
    assert row(runs, runs, runs).resident_mib == 30


def test_a_base_too_small_to_be_seen_gives_no_number():
    assert ratio([1.0], [0.0]) == float("inf")


def test_rounds_that_do_not_match_are_refused():
    with pytest.raises(ValueError, match="zip"):
        ratio([1.0, 2.0], [1.0])


def test_the_tables_and_the_json_name_each_gateway_once_for_each_count():
    runs, flows = [run(0.5)], [Flow(100.0, 3.2)]
    rows = {1: {"A": row(runs, runs, runs), "B": row([run(2.0)], runs, runs)}}
    flow_rows = {"A": flow_row(flows, flows), "B": flow_row([Flow(250.0, 3.3)], flows)}
    assert [line.split()[0] for line in table(rows).splitlines() if line] == ["1", "A", "B"]
    assert [line.split()[0] for line in flow_table(flow_rows).splitlines()] == ["SSE", "A", "B"]
    said = as_json(rows, flow_rows)
    assert said["unary"]["1"]["B"]["cpu_ratio"] == 4
    assert said["sse"]["B"] == {"cpu_us_per_frame": 250.0, "cpu_ratio": 2.5, "seconds": 3.3}
