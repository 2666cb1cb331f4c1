"""Which networks a job runs: our own, those that the user brought, and chains of them. Light to import."""

from pathlib import Path

from sr4k.common.option_names import option
from sr4k.configs import EnginePreset, Preset
from sr4k.engines.choose import check_for_foreign, engines_for
from sr4k.engines.foreign_trial import known
from sr4k.errors import OptionError
from sr4k.live.address import is_live
from sr4k.models import catalogue
from sr4k.models.foreign import store


def with_model(preset: Preset) -> Preset:
    """Return the preset with networks that exist; paths become absolute.

    A network that is named by the path of its file is tested, if that was not done before.

    Raises:
        OptionError: there is no such network, or it can't be used, or what it is used with is not for it.
        EngineError: the test of a file can't be made.
        OutputError: what was found can't be kept.
    """
    engine = preset.engine
    if is_live(engine.model):  # the error doesn't repeat it: it may contain a password
        raise OptionError(
            f"{option('model')} can't be a URL: use a name that sr4k models lists, or the path of a file."
        )
    model = existing_chain(engine.model)
    for part in filter(catalogue.is_foreign, catalogue.chain(model)):
        check_for_foreign(engine.name, part)
    _check(engine, catalogue.chain(model)[-1])
    return preset.updated("engine", model=model)


def existing_chain(name: str) -> str:
    """Return the name of a network, or of several that are joined by plus signs; paths become absolute.

    Raises:
        OptionError: there is no such network, or it can't be used, or not before another one.
        EngineError: the test of a file can't be made.
        OutputError: what was found can't be kept.
    """
    parts = [existing_model(part) for part in catalogue.chain(name)]
    for part in parts[:-1]:
        if part in catalogue.ARCHITECTURES or catalogue.figures(part).scale != 1:
            raise OptionError(
                f"{part} can't come before another network in {option('model', name)}: only networks "
                "of yours can that keep the size."
            )
    return "+".join(parts)


def existing_model(name: str) -> str:
    """Return the name of a single network, or its absolute path; for the rest see `with_model`.

    Raises:
        OptionError: there is no such network, or it can't be used.
        EngineError: the test of a file can't be made.
        OutputError: what was found can't be kept.
    """
    if name in catalogue.ARCHITECTURES:
        return name
    if Path(name).suffix.lower() in store.CHECKPOINTS:
        raise OptionError(f"{name} is a checkpoint: sr4k model add {name} makes a network of it, whose name to use.")
    name = str(Path(name).expanduser().absolute()) if store.is_path(name) else name
    if known(name) is None:
        catalogue.architecture(name)  # raises
    return name


def engines_of(engine: EnginePreset) -> tuple[str, ...]:
    """Return the engines to try for a preset's network, in order.

    Raises:
        EngineError: none can be used.
        OptionError: there is no such engine.
    """
    return engines_for(engine.name, engine.device, foreign=catalogue.is_foreign(engine.chain[-1]))


def scale_of(engine: EnginePreset) -> int:
    """Return the factor by which a preset's network enlarges.

    Raises:
        OptionError: there is no such network.
    """
    return catalogue.figures(engine.chain[-1]).scale


def is_twice(engine: EnginePreset) -> bool:
    """Whether results that are much larger than their source go through a preset's network twice."""
    return engine.passes != 1 and not catalogue.is_foreign(engine.chain[-1])


def hashes(model: str) -> dict[str, str]:
    """Return the SHA-256 of each network of a chain that the user brought, by its name.

    Raises:
        OptionError: see `sr4k.models.foreign.store.find`.
    """
    found = {part: catalogue.foreign(part) for part in catalogue.chain(model)}
    return {part: each.card.sha256 for part, each in found.items() if each is not None}


def _check(engine: EnginePreset, network: str) -> None:
    """Refuse what is for other networks alone."""
    if network in catalogue.ARCHITECTURES:
        if engine.source_quality != "auto" and engine.weights is None and network not in catalogue.FOLLOWING:
            raise OptionError(
                f"{option('source_quality')} is for networks whose weights follow the source "
                f"({', '.join(sorted(catalogue.FOLLOWING))}), which {network} isn't: leave it out."
            )
        return
    given = {
        "weights": engine.weights is not None,
        "sharpness": bool(engine.sharpness),
        "passes": engine.passes == 2,
        "source_quality": engine.source_quality != "auto",
    }
    for name, is_given in given.items():
        if is_given:
            raise OptionError(
                f"{option(name)} is for the networks that ship with the package, which {network} isn't: "
                "leave it out, of a preset as well."
            )
    found = catalogue.foreign(network)
    if found is not None:
        found.check_precision(engine.precision)
