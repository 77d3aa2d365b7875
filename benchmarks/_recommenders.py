"""A hybrid recommender of a given shape for a large shop: members fitted, the network untrained, every part used."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from vitrina.artifacts import staged_folder, write_json, write_manifest

LINEAR = ("popularity", "item_knn", "ease", "markov", "recent_knn", "user_knn", "gfcf", "content")
SECOND = 0.5


def untrained_recommender(
    folder: Path, data: Path, *, neural: bool, second: bool, sources: tuple[str, ...] = LINEAR, **settings: Any
) -> Path:
    """Write a model folder that mixes all `sources`, each with the same weight; `settings` as in a preset's `model:`.

    With `neural` the network takes part, with `second` it also scores the best candidates again.
    """
    import numpy as np
    import pyarrow.parquet as pq
    import torch

    from vitrina.families.hybrid_recommender import components, trainer
    from vitrina.families.hybrid_recommender.batches import TrainingRows
    from vitrina.families.hybrid_recommender.configuration import Options
    from vitrina.families.hybrid_recommender.content import content_vectors
    from vitrina.families.hybrid_recommender.ensemble import Mix
    from vitrina.families.hybrid_recommender.modeling import export_inputs
    from vitrina.families.hybrid_recommender.serving import CONTENT_FILE
    from vitrina.families.layers.recommenders import training_histories, write_shop
    from vitrina.packaging.onnx import FP32, INT8, to_onnx
    from vitrina.packaging.quantize import quantize
    from vitrina.recommendation.shelf import PRODUCTS

    torch.manual_seed(7)
    options = Options(members=sources, neural=neural, **settings)
    histories, catalogue = training_histories(data), pq.read_table(data / PRODUCTS)
    products = components.Products(content_vectors(catalogue.to_pandas(), options.content_width), catalogue)
    fitted, _ = components.fit(sources, histories, products, options.member_options)
    weights = dict.fromkeys(sources, 1.0) | ({components.NEURAL: 1.0} if neural else {})
    mix = Mix(weights, SECOND if second else 0.0, options.candidates, sources)
    with staged_folder(folder) as staging:
        for name, member in fitted.items():
            member.save(staging / components.FOLDER / name)
        write_shop(data, staging, histories)
        np.save(staging / CONTENT_FILE, products.content.astype(np.float16))
        write_json(staging / "labels.json", {"mix": asdict(mix)})
        if neural:
            known = trainer.Fitted(histories, products, fitted, {}, [], [])
            model = trainer.network_of(known, TrainingRows(histories, options), options).eval()
            model.save_pretrained(staging)
            trainer.factors_of(model, histories.users).save(staging)
            inputs = export_inputs(staging)
            assert inputs is not None
            to_onnx(inputs, staging / FP32)
            quantize(staging / FP32, staging / INT8)
        write_manifest(staging, family="hybrid_recommender", seed=7)
    return folder
