"""The table of queues (design section 9)."""

from consumers.topology import TOPOLOGY, topology


def test_every_queue_of_the_design_is_there_with_its_dead_letters() -> None:
    assert [queue.name for queue in TOPOLOGY] == [
        "model_training.dead",
        "model_training",
        "image_generation.dead",
        "image_generation",
        "ledger.results.dead",
        "ledger.results",
        "ledger.commands.dead",
        "ledger.commands",
    ]


def test_each_family_of_models_has_a_queue_of_its_own() -> None:
    names = [queue.name for queue in topology(["sdxl", "flux"])]
    assert set(names) - {queue.name for queue in TOPOLOGY} == {
        "image_generation.sdxl",
        "image_generation.sdxl.dead",
        "image_generation.flux",
        "image_generation.flux.dead",
    }
    assert len(names) == len(set(names))


def test_every_queue_is_bounded_and_loses_nothing_over_its_delivery_limit() -> None:
    for queue in TOPOLOGY:
        assert queue.max_length > 0
        if queue.name.endswith(".dead"):
            assert queue.delivery_limit is None
        else:
            assert queue.dead_letter_queue == queue.name + ".dead"
            assert queue.delivery_limit is not None
            assert queue.delivery_limit > 0


def test_a_dead_letter_queue_is_declared_before_the_queue_that_it_serves() -> None:
    names = [queue.name for queue in TOPOLOGY]
    for queue in TOPOLOGY:
        if queue.dead_letter_queue:
            assert names.index(queue.dead_letter_queue) < names.index(queue.name)
