"""What of OpenAI's older protocol cannot be had."""

from tandem.domain.errors import InvalidRequest
from tandem.http.predictor.faults import Fault
from tandem.http.predictor.requests import CompletionRequest

# As `/info` tells: one prompt a request.
MAX_CLIENT_BATCH_SIZE = 1


def refusal_of(asked: CompletionRequest) -> Fault | None:
    """The two refusals that have types of their own in TGI."""
    if asked.suffix is not None:
        error = "Suffix is not supported and can be achieved by preprocessing the prompt."
        return Fault(422, error, "suffix not supported", "validation")
    if isinstance(asked.prompt, list) and len(asked.prompt) > MAX_CLIENT_BATCH_SIZE:
        error = f"Number of prompts exceeds the maximum allowed batch size of {MAX_CLIENT_BATCH_SIZE}"
        return Fault(422, error, "batch size exceeded", "validation")
    return None


def refuse_unsupported_completion(asked: CompletionRequest) -> None:
    """Raises `InvalidRequest` for the first option that would change the answer."""
    wanted = {
        "best_of": asked.best_of not in {None, 1},
        "echo": asked.echo,
        "logit_bias": asked.logit_bias,
        "logprobs": asked.logprobs is not None,
        "n": asked.n not in {None, 1},
        "presence_penalty": asked.presence_penalty,
        "repetition_penalty": asked.repetition_penalty not in {None, 1},
    }
    if name := next((name for name, beyond in wanted.items() if beyond), None):
        raise InvalidRequest(f"`{name}` is not supported by this model")
