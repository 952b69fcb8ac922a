"""Adapters read folders laid out like the published ones, and name what is missing. The weights here are random."""

from __future__ import annotations

import json
import re

import pytest
import torch
from safetensors.torch import load_file, save_file

from mmbert.audio.clap import Clap
from mmbert.audio.mert import Mert, MertConfig
from mmbert.audio.mert_weights import load_mert
from mmbert.errors import WeightsError

SIZES = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48,
    "conv_dim": [16] * 7, "conv_kernel": [10, 3, 3, 3, 3, 2, 2], "conv_stride": [5, 2, 2, 2, 2, 2, 2],
    "conv_bias": False, "feat_extract_norm": "group", "do_stable_layer_norm": False,
    "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 16, "feature_extractor_cqt": False,
    "deepnorm": False, "model_type": "mert_model",
}  # fmt: skip
OLD = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}
FAIRSEQ = (
    ("masked_spec_embed", "mask_emb"),
    ("feature_projection.layer_norm", "layer_norm"),
    ("feature_projection.projection", "post_extract_proj"),
    ("encoder.pos_conv_embed.conv", "encoder.pos_conv.0"),
    (".attention.", ".self_attn."),
    ("feed_forward.intermediate_dense", "fc1"),
    ("feed_forward.output_dense", "fc2"),
)


@pytest.fixture(scope="module")
def net() -> Mert:
    torch.manual_seed(3)
    return Mert(MertConfig(convolutions=16, depth=2, dim=32, heads=2, ffn=48, positions=16)).eval()


def as_on_the_hub(name: str) -> str:
    for new, old in OLD.items():
        name = name.replace(new, old)
    return name


def as_fairseq_has_it(name: str) -> str:
    name = re.sub(r"(conv_layers\.\d+)\.conv\.", r"\1.0.", as_on_the_hub(name))
    name = re.sub(r"(conv_layers\.\d+)\.layer_norm\.", r"\1.2.", name)
    name = re.sub(r"(encoder\.layers\.\d+)\.layer_norm\.", r"\1.self_attn_layer_norm.", name)
    for ours, theirs in FAIRSEQ:
        name = name.replace(ours, theirs)
    return name


def put(folder, net, rename, **changes):
    (folder / "config.json").write_text(json.dumps(SIZES | changes))
    tensors = {rename(k): v.clone() for k, v in net.network.state_dict().items()}
    tensors["final_proj.weight"] = torch.zeros(2, 2)  # a head that nobody needs
    save_file(tensors, folder / "model.safetensors")
    return tensors


@pytest.mark.parametrize("rename", [str, as_on_the_hub, as_fairseq_has_it, lambda name: "hubert." + name])
def test_mert_comes_back(net, rename, tmp_path):
    names = put(tmp_path, net, rename)
    assert rename is not as_fairseq_has_it or {"mask_emb", "encoder.layers.1.fc2.bias", "layer_norm.bias"} <= set(names)
    found = load_mert(tmp_path)
    sound = torch.randn(1, 24_000)
    with torch.inference_mode():
        assert torch.equal(found(sound).states, net(sound).states)


def test_mert_as_a_bin_of_tensors(net, tmp_path):
    tensors = put(tmp_path, net, as_on_the_hub)
    (tmp_path / "model.safetensors").unlink()
    torch.save(tensors, tmp_path / "pytorch_model.bin")
    assert torch.equal(load_mert(tmp_path).network.masked_spec_embed, net.network.masked_spec_embed)
    torch.save({"state": [1, 2]}, tmp_path / "pytorch_model.bin")
    with pytest.raises(WeightsError, match="holds more than tensors"):
        load_mert(tmp_path)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"conv_stride": [5, 2, 2, 2, 2, 2, 4]}, "conv_stride is"),
        ({"feature_extractor_cqt": True}, "feature_extractor_cqt is True"),
        ({"conv_dim": [16] * 6 + [32]}, "conv_dim is"),
        ({"feat_extract_norm": "batch"}, "norm"),
        ({"num_hidden_layers": 3}, r"misses 16 tensors of MERT, such as encoder\.layers\.2"),
        ({"intermediate_size": 64}, "has the shape"),
    ],
)
def test_mert_of_other_sizes_is_refused(net, changes, words, tmp_path):
    put(tmp_path, net, str, **changes)
    with pytest.raises(WeightsError, match=words):
        load_mert(tmp_path)


def test_what_mert_misses_is_named(net, tmp_path):
    with pytest.raises(WeightsError, match=r"has no config\.json"):
        load_mert(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({k: v for k, v in SIZES.items() if k != "hidden_size"}))
    with pytest.raises(WeightsError, match="does not state hidden_size"):
        load_mert(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(SIZES))
    with pytest.raises(WeightsError, match=r"holds neither model\.safetensors nor pytorch_model\.bin"):
        load_mert(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(WeightsError, match="cannot be read"):
        load_mert(tmp_path)


@pytest.fixture(scope="module")
def clap_folder(tmp_path_factory):
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import ClapConfig, ClapFeatureExtractor, ClapModel, PreTrainedTokenizerFast

    torch.manual_seed(4)
    folder = tmp_path_factory.mktemp("clap")
    text = {
        "vocab_size": 8, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16,
        "max_position_embeddings": 20, "pad_token_id": 1,
    }  # fmt: skip
    audio = {
        "patch_embeds_hidden_size": 8, "depths": [1, 1, 1, 1], "num_attention_heads": [1, 1, 2, 2],
        "hidden_size": 64, "num_mel_bins": 64, "spec_size": 256,
    }  # fmt: skip
    config = ClapConfig(text_config=text, audio_config=audio, projection_dim=24)
    ClapModel(config).save_pretrained(folder)
    ClapFeatureExtractor(truncation="rand_trunc").save_pretrained(folder)
    words = Tokenizer(models.WordLevel({"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3, "piano": 4, "drums": 5}, "<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=words, pad_token="<pad>", unk_token="<unk>").save_pretrained(folder)
    return folder


def test_clap_from_a_folder(clap_folder):
    clap = Clap.load(clap_folder)
    assert (clap.rate, clap.width) == (48_000, 24)
    with torch.inference_mode():
        stream = clap(0.1 * torch.randn(2, 20 * clap.rate))
        words = clap.words(["piano", "piano drums"])
        again = clap.words(["piano"])
    assert stream.states.shape == (2, 2, 24)
    assert stream.position.tolist() == [[0, 20], [0, 20]]
    torch.testing.assert_close(stream.states.norm(dim=-1), torch.ones(2, 2))
    assert words.shape == (2, 24)
    torch.testing.assert_close(words[:1], again, atol=1e-5, rtol=1e-4)  # what follows is padding


def test_what_clap_misses_is_named(clap_folder, tmp_path):
    with pytest.raises(WeightsError, match=r"misses config\.json, .*, model\.safetensors"):
        Clap.load(tmp_path)
    for path in clap_folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    kept = {k: v for k, v in load_file(clap_folder / "model.safetensors").items() if "text_projection" not in k}
    save_file(kept, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(WeightsError, match=r"misses 4 tensors of CLAP, such as text_projection"):
        Clap.load(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(WeightsError, match="is no CLAP model"):
        Clap.load(tmp_path)
