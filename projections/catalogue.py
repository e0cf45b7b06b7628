"""The one table of projections: who follows the book."""

from projections.event_counts import EventCountsProjector
from projections.generations import GenerationsProjector
from projections.open_accounts import OpenAccountsProjector
from projections.projector import Projector
from projections.purchases import PurchasesProjector
from projections.statement import StatementProjector
from projections.style_usage import StyleUsageProjector
from projections.styles import StylesProjector
from projections.trainings import TrainingsProjector

PROJECTORS: tuple[type[Projector], ...] = (
    OpenAccountsProjector,
    StatementProjector,
    StylesProjector,
    StyleUsageProjector,
    TrainingsProjector,
    GenerationsProjector,
    PurchasesProjector,
    EventCountsProjector,
)

BY_NAME: dict[str, type[Projector]] = {projector.name: projector for projector in PROJECTORS}
