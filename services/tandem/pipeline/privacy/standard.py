"""The detectors by name, in the order of their rights."""

from collections.abc import Mapping, Sequence
from typing import Literal, get_args

from tandem.pipeline.privacy.accounts import Cards, Ibans
from tandem.pipeline.privacy.addresses import Addresses
from tandem.pipeline.privacy.emails import Emails
from tandem.pipeline.privacy.finding import Detector
from tandem.pipeline.privacy.keys import Keys
from tandem.pipeline.privacy.patterns import Pattern
from tandem.pipeline.privacy.phones import Phones
from tandem.pipeline.privacy.redaction import Redaction

Kind = Literal["email", "phone", "card", "iban", "key", "ip"]
KINDS: tuple[Kind, ...] = get_args(Kind)


def redaction(kinds: Sequence[Kind], regions: Sequence[str], patterns: Mapping[str, str]) -> Redaction:
    """Patterns of the operator come first. Raises `ConfigurationError` for one that cannot work."""
    own: list[Detector] = [Pattern(name, pattern) for name, pattern in patterns.items()]
    known: list[Detector] = [Keys(), Emails(), Ibans(), Cards(), Phones(regions), Addresses()]
    return Redaction([*own, *(detector for detector in known if detector.kind in kinds)])
