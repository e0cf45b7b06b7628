"""The model oracle: the money rules a second time, and random schedules that hold both together."""
