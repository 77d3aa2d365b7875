"""The model of a preset before training: from scratch, with a hub's CLIP, or a hub's Stable Diffusion with adapters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from transformers import AutoConfig, AutoTokenizer, BertConfig, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from vitrina.families.product_imager.configuration import TRAIN_STEPS, Options, ProductImagerConfig
from vitrina.families.product_imager.modeling import ProductImager
from vitrina.hub import hub_folder
from vitrina.text.encoders import resolve_encoder

SPECIAL = ("[PAD]", "[CLS]", "[SEP]", "[UNK]")
HEAD = 16
ADAPTED = ["to_q", "to_k", "to_v", "to_out.0"]
"""Projections of attention that LoRA adapts (Hu et al., 2022)."""


def build_tokenizer(texts: list[str], options: Options) -> PreTrainedTokenizerBase:
    """That of the pretrained text encoder, or byte-pair pieces of the training prompts."""
    if options.checkpoint:
        return AutoTokenizer.from_pretrained(_pipeline(options.checkpoint) / "tokenizer")
    if options.encoder:
        return AutoTokenizer.from_pretrained(resolve_encoder(options.encoder))
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

    plain = Tokenizer(models.BPE(unk_token="[UNK]"))
    plain.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    plain.pre_tokenizer = pre_tokenizers.ByteLevel()
    plain.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=options.text.vocabulary, special_tokens=list(SPECIAL), initial_alphabet=alphabet, show_progress=False
    )
    plain.train_from_iterator(texts, trainer)
    plain.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[(name, plain.token_to_id(name)) for name in ("[CLS]", "[SEP]")]
    )
    named = dict(zip(("pad_token", "cls_token", "sep_token", "unk_token"), SPECIAL, strict=True))
    return PreTrainedTokenizerFast(tokenizer_object=plain, model_max_length=options.max_length, **named)


def build_model(options: Options, tokenizer: PreTrainedTokenizerBase, categories: int) -> ProductImager:
    """The model to train; pretrained parts hold their weights, and a checkpoint's U-Net learns by adapters alone."""
    if options.checkpoint:
        return _from_checkpoint(options, _pipeline(options.checkpoint), categories)
    encoder = _text_config(options, len(tokenizer))
    vae = (
        AutoencoderKL.from_pretrained(_pipeline(options.latent.vae)) if options.latent and options.latent.vae else None
    )
    channels = vae.config.latent_channels if vae else options.channels
    config = ProductImagerConfig(
        unet=_unet_config(options, channels, int(encoder["hidden_size"])),
        encoder=encoder,
        vae=_plain(vae) if vae else None,
        schedule={
            "num_train_timesteps": TRAIN_STEPS,
            "beta_schedule": "squaredcos_cap_v2",
            "prediction_type": options.prediction,
        },
        side=options.side,
        channels=options.channels,
        patch=options.unet.patch,
        tokens=options.max_length,
        categories=categories + 1,
    )
    model = ProductImager(config)
    if options.encoder:
        model.conditions.encoder.load(options.encoder)
    if vae is not None and model.vae is not None:
        model.vae.load_state_dict(vae.state_dict())
    return model


def _text_config(options: Options, vocabulary: int) -> dict[str, Any]:
    if options.encoder:
        found = AutoConfig.from_pretrained(resolve_encoder(options.encoder))
        return getattr(found, "text_config", found).to_dict()
    text = options.text
    return BertConfig(
        vocab_size=vocabulary,
        hidden_size=text.width,
        num_hidden_layers=text.layers,
        num_attention_heads=max(1, text.width // HEAD),
        intermediate_size=4 * text.width,
        max_position_embeddings=options.max_length,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    ).to_dict()


def _unet_config(options: Options, channels: int, width: int) -> dict[str, Any]:
    unet = options.unet
    halvings = options.unet.patch * (8 if options.latent else 1)
    inner = channels * unet.patch**2
    network = UNet2DConditionModel(
        sample_size=options.side // halvings,
        in_channels=inner,
        out_channels=inner,
        block_out_channels=unet.channels,
        down_block_types=tuple("CrossAttnDownBlock2D" if attends else "DownBlock2D" for attends in unet.attention),
        up_block_types=tuple("CrossAttnUpBlock2D" if attends else "UpBlock2D" for attends in reversed(unet.attention)),
        mid_block_type="UNetMidBlock2DCrossAttn",
        layers_per_block=unet.layers,
        norm_num_groups=unet.groups,
        act_fn="silu",
        attention_head_dim=4,
        cross_attention_dim=width,
        class_embed_type="projection",
        projection_class_embeddings_input_dim=width,
        resnet_time_scale_shift="scale_shift",
    )
    return _plain(network)


def _plain(part: Any) -> dict[str, Any]:
    """The configuration of a diffusers part, without where it came from."""
    return {name: value for name, value in dict(part.config).items() if not name.startswith("_")}


def _from_checkpoint(options: Options, folder: Path, categories: int) -> ProductImager:
    """A Stable Diffusion pipeline's parts; its U-Net learns by adapters of `lora_rank`, its text encoder does not."""
    assert options.latent is not None  # the options' own check
    unet = UNet2DConditionModel.from_pretrained(folder, subfolder="unet", torch_dtype=torch.float32)
    own = None if options.latent.vae is None else _pipeline(options.latent.vae)
    vae = AutoencoderKL.from_pretrained(own or folder, subfolder="" if own else "vae", torch_dtype=torch.float32)
    encoder = AutoConfig.from_pretrained(folder / "text_encoder")
    schedule = _plain(DDPMScheduler.from_pretrained(folder, subfolder="scheduler"))
    config = ProductImagerConfig(
        unet=_plain(unet),
        encoder=getattr(encoder, "text_config", encoder).to_dict(),
        vae=_plain(vae),
        schedule=schedule,
        side=options.side,
        channels=3,
        patch=1,
        tokens=options.max_length,
        categories=categories + 1,
    )
    model = ProductImager(config)
    model.unet.load_state_dict(unet.state_dict())
    if model.vae is not None:
        model.vae.load_state_dict(vae.state_dict())
    model.conditions.encoder.load(str(folder / "text_encoder"))
    model.conditions.encoder.requires_grad_(False)
    _quiet_start(model)
    if options.latent.lora_rank:
        _adapt(model, options.latent.lora_rank)
    return model


def _quiet_start(model: ProductImager) -> None:
    """The two tokens a checkpoint never saw begin as nothing."""
    for table in (model.conditions.style, model.conditions.category):
        torch.nn.init.zeros_(table.weight)


def _adapt(model: ProductImager, rank: int) -> None:
    """Freeze the U-Net and put LoRA adapters beside its attention."""
    from peft import LoraConfig

    model.unet.requires_grad_(False)
    model.unet.add_adapter(LoraConfig(r=rank, lora_alpha=rank, init_lora_weights="gaussian", target_modules=ADAPTED))


def merge_adapters(model: ProductImager) -> bool:
    """Fold LoRA adapters into the weights they stand beside, so that the model is plain again; False: has none."""
    if not getattr(model.unet, "peft_config", None):
        return False
    model.unet.fuse_lora()
    model.unet.unload_lora()
    return True


def _pipeline(name: str | None) -> Path:
    """The local folder of a diffusers model, fetched from the hub where it is an id."""
    assert name is not None
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder
    return hub_folder(name, ["*.json", "*.txt", "*.safetensors"], "")
