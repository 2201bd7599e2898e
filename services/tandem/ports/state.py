"""What one state store keeps: every port of it, over the same database."""

from dataclasses import dataclass

from tandem.ports.batches import Batches
from tandem.ports.deliveries import Deliveries
from tandem.ports.demand import SharedDemand
from tandem.ports.feedback import FeedbackStore
from tandem.ports.files import Files
from tandem.ports.forgotten import Forgotten
from tandem.ports.jobs import Jobs
from tandem.ports.receipts import Receipts
from tandem.ports.releases import Releases


@dataclass(frozen=True, slots=True)
class Stores:
    """Opened together, backed up together, and at one version of one schema."""

    receipts: Receipts
    feedback: FeedbackStore
    forgotten: Forgotten
    jobs: Jobs
    deliveries: Deliveries
    files: Files
    batches: Batches
    demand: SharedDemand
    releases: Releases
