"""The `tandem` command: its sub-commands, and how failures leave it (0 ok, 1 failed, 2 usage, 130 interrupted)."""

import sys

import typer

from tandem.cli import (
    ask,
    backup,
    batch,
    batch_work,
    collections,
    config,
    conformance,
    db,
    debug,
    doctor,
    evaluate,
    feedback,
    health,
    ingest,
    jobs,
    models,
    models_cluster,
    models_follow,
    models_lineage,
    models_list,
    plan,
    privacy,
    prompts,
    receipts,
    release,
    search,
    serve,
    spool,
    status,
    targets,
    version,
)
from tandem.cli.console import report
from tandem.domain.errors import TandemError

app = typer.Typer(
    name="tandem",
    help="Retrieval-augmented generation, as one process or as a fleet.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("serve")(serve.serve)
app.command("targets")(targets.targets)
app.command("ingest")(ingest.ingest)
app.command("ask")(ask.ask)
app.command("search")(search.search)
app.add_typer(collections.app, name="collections")
app.add_typer(prompts.app, name="prompts")
app.add_typer(release.app, name="release")
app.command("eval")(evaluate.evaluate)
app.add_typer(receipts.app, name="receipts")
app.add_typer(feedback.app, name="feedback")
app.add_typer(privacy.app, name="privacy")
app.add_typer(config.app, name="config")
app.command("conformance")(conformance.conformance)
app.command("backup")(backup.backup)
app.command("restore")(backup.restore)
app.add_typer(db.app, name="db")
app.add_typer(spool.app, name="spool")
app.command("plan")(plan.plan)
app.command("doctor")(doctor.doctor)
app.command("debug")(debug.debug)
app.add_typer(jobs.app, name="jobs")
batch.app.command("work")(batch_work.work)
app.add_typer(batch.app, name="batch")
models.app.command("list")(models_list.list_models)
models.app.command("deploy")(models_cluster.deploy)
models.app.command("follow")(models_follow.follow)
models.app.command("promote")(models_cluster.promote)
models.app.command("rollback")(models_cluster.rollback)
models.app.command("lineage")(models_lineage.lineage)
app.add_typer(models.app, name="models")
app.command("health")(health.health)
app.command("status")(status.status)
app.command("version")(version.version)


def main() -> None:
    """Entry point: the error tree becomes a message and exit code 1."""
    try:
        app()
    except TandemError as error:
        report(error)
        sys.exit(1)
