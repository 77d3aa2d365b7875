"""What a team writes on the first day: FastAPI, transformers' tokenizer, torch, one request at a time.

python benchmarks/services/naive.py MODEL_FOLDER PORT
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from transformers import PreTrainedTokenizerFast

from vitrina.families.intent_classifier.modeling import IntentClassifier


class Request(BaseModel):
    text: str


def application(folder: Path) -> FastAPI:
    """The service of one model folder."""
    model = IntentClassifier.from_pretrained(folder).eval()
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"))
    labels = [model.config.id2label[i] for i in range(model.config.num_labels)]
    app = FastAPI()

    @app.get("/readyz")
    def ready() -> dict[str, str]:
        return {"status": "ready"}

    @app.post("/classify")
    def classify(request: Request) -> dict[str, object]:
        inputs = tokenizer(request.text, return_tensors="pt", truncation=True, max_length=64)
        with torch.inference_mode():
            logits = model(inputs["input_ids"], inputs["attention_mask"]).logits[0]
        distribution = dict(zip(labels, logits.softmax(0).tolist(), strict=True))
        label = max(distribution, key=distribution.__getitem__)
        return {"label": label, "confidence": distribution[label], "distribution": distribution}

    return app


if __name__ == "__main__":
    uvicorn.run(application(Path(sys.argv[1])), port=int(sys.argv[2]), log_level="warning")
