"""A prompt and typed inputs → the messages for the model.

Templates are Jinja2, sandboxed and strict. What a shop or a customer wrote never becomes part of the instructions: in a
template every such value is `Data`, and however a template writes it, it comes out as JSON between delimiters with
angle brackets escaped, so that no text can close the block it stands in.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal, get_args, get_origin

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, UndefinedError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from pydantic import BaseModel

from vitrina.llm.prompts.errors import PromptError
from vitrina.llm.prompts.prompt import Prompt
from vitrina.llm.prompts.tasks import Example, Task, task
from vitrina.llm.prompts.variables import Variables

Form = Literal["json", "text"]
LANGUAGES = {"es": "Spanish", "en": "English"}
LONGEST = 400_000
"""Characters of a rendered prompt; some 100,000 tokens. A template may not loop beyond it."""


Message = dict[str, str]
"""One message of a chat: its `role` (system, user, assistant) and its `content`."""


class Data:
    """A value that somebody outside wrote. It can be tested, counted, walked; written, it is a block of JSON."""

    def __init__(self, name: str, value: Any) -> None:
        self._name, self._value = name, value

    def __getitem__(self, key: str | int) -> Any:
        return _shown(f"{self._name}.{key}", self._value[key])

    def __iter__(self) -> Iterator[Any]:
        keys = list(self._value) if isinstance(self._value, Mapping) else range(len(self._value))
        return (_shown(f"{self._name}.{key}", self._value[key]) for key in keys)

    def __len__(self) -> int:
        return len(self._value)

    def __bool__(self) -> bool:
        return bool(self._value)

    def __str__(self) -> str:
        return block(self._name, self._value)


def block(name: str, value: Any) -> str:
    """JSON between `<data>` tags that nothing inside can close; what is unknown (None, empty) is left out."""
    text = json.dumps(_known(value), ensure_ascii=False, separators=(", ", ": "))
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    label = "".join(letter if letter.isalnum() or letter in "._-" else "_" for letter in name)
    return f'<data name="{label}">\n{text}\n</data>'


def _known(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _known(item) for key, item in value.items() if item is not None and item != {} and item != []}
    return [_known(item) for item in value] if isinstance(value, list) else value


def _shown(name: str, value: Any) -> Any:
    return value if value is None or isinstance(value, bool | int | float) else Data(name, value)


def variables(inputs: Variables) -> dict[str, Any]:
    """What a template sees: numbers and values of closed lists as they are, everything else as `Data`."""
    dumped = inputs.model_dump(mode="json")
    return {
        name: dumped[name] if _is_closed(field.annotation) else _shown(name, dumped[name])
        for name, field in type(inputs).model_fields.items()
    }


def _is_closed(annotation: Any) -> bool:
    """Whether all values of a type are in a list of ours: nobody outside can write one."""
    origin = get_origin(annotation)
    if origin is Literal or annotation in (bool, int, float, type(None)):
        return True
    return bool(get_args(annotation)) and all(_is_closed(part) for part in get_args(annotation))


def render(
    prompt: Prompt, inputs: BaseModel | Mapping[str, Any], examples: Sequence[Example] = (), *, form: Form = "json"
) -> list[Message]:
    """The messages: system, an exchange for each example, and the request.

    Args:
        inputs: the task's inputs, or values to validate as such.
        examples: inputs with good answers; shown in the form that is asked for.
        form: `json` asks for the answer's schema, `text` for prose alone (for streaming).

    Raises:
        PromptError: a template that is wrong or names a variable that the task does not have.
    """
    kind = task(prompt.task)
    given = kind.validated(inputs)
    messages: list[Message] = [{"role": "system", "content": _filled(prompt, "system", kind, given, form)}]
    for example in examples:
        answer = kind.as_json(example.answer) if form == "json" else kind.as_text(example.answer)
        messages.append({"role": "user", "content": _filled(prompt, "user", kind, example.inputs, form)})
        messages.append({"role": "assistant", "content": answer})
    messages.append({"role": "user", "content": _filled(prompt, "user", kind, given, form)})
    return messages


def _filled(prompt: Prompt, part: Literal["system", "user"], kind: Task, inputs: Variables, form: Form) -> str:
    source = prompt.system if part == "system" else prompt.user
    where = f"The {part} template of prompt '{prompt.task}' ({prompt.label})"
    context = {
        **variables(inputs),
        "form": form,
        "language_name": LANGUAGES[inputs.language],
        "schema": json.dumps(kind.schema(), separators=(",", ":")),
    }
    pieces, length = [], 0
    try:
        for piece in _compiled(source).generate(context):
            pieces.append(piece)
            length += len(piece)
            if length > LONGEST:
                raise PromptError(f"{where} renders to more than {LONGEST:,} characters.")
    except UndefinedError as error:
        raise PromptError(f"{where} asks for what '{kind.name}' does not have: {error.message}.") from error
    except TemplateSyntaxError as error:
        raise PromptError(f"{where} is no valid template: line {error.lineno}: {error.message}.") from error
    except (TemplateError, TypeError, ValueError, LookupError, ArithmeticError) as error:
        raise PromptError(f"{where} cannot be rendered: {error}.") from error
    return "".join(pieces).strip()


@lru_cache(maxsize=256)
def _compiled(source: str) -> Any:
    return _ENVIRONMENT.from_string(source)


_ENVIRONMENT = ImmutableSandboxedEnvironment(
    undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False
)
_ENVIRONMENT.globals.clear()  # no range(): a template walks what it is given, and no further
