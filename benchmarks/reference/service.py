"""The same job as it is commonly written: FastAPI, SQLAlchemy, one file, no locks.

`python service.py` makes the tables; `uvicorn service:application` serves. DATABASE_URL names the database.
"""

import os
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import unquote

from fastapi import Depends, FastAPI, HTTPException
from pydantic import BaseModel, Field
from sqlalchemy import Engine, ForeignKey, Index, create_engine, event, func, make_url, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

SECONDS_TO_WAIT = 30  # for a lock of SQLite, or a connection of the pool


class Base(DeclarativeBase):
    """What every table is built on."""


class Operator(Base):
    """Who takes contacts, up to a limit."""

    __tablename__ = "operators"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    is_active: Mapped[bool]
    max_load: Mapped[int]


class Source(Base):
    """A bot or another channel."""

    __tablename__ = "sources"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    code: Mapped[str] = mapped_column(unique=True)


class Weight(Base):
    """How much of a source an operator gets."""

    __tablename__ = "weights"
    source_id: Mapped[int] = mapped_column(ForeignKey(Source.id), primary_key=True)
    operator_id: Mapped[int] = mapped_column(ForeignKey(Operator.id), primary_key=True)
    weight: Mapped[int]


class Lead(Base):
    """Whoever writes in."""

    __tablename__ = "leads"
    id: Mapped[int] = mapped_column(primary_key=True)
    external_id: Mapped[str] = mapped_column(unique=True)


class Contact(Base):
    """One appeal of a lead, and who works on it."""

    __tablename__ = "contacts"
    __table_args__ = (Index("contacts_of_operator", "operator_id", "status"),)  # what the load is counted by
    id: Mapped[int] = mapped_column(primary_key=True)
    lead_id: Mapped[int] = mapped_column(ForeignKey(Lead.id), index=True)
    source_id: Mapped[int] = mapped_column(ForeignKey(Source.id), index=True)
    operator_id: Mapped[int | None] = mapped_column(ForeignKey(Operator.id))
    status: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=lambda: datetime.now(UTC).replace(tzinfo=None))


class NewOperator(BaseModel):
    """The body that makes an operator."""

    name: str
    is_active: bool = True
    max_load: int = Field(default=10, ge=0)


class NewSource(BaseModel):
    """The body that makes a source."""

    name: str
    code: str


class OperatorWeight(BaseModel):
    """The weight of one operator."""

    operator_id: int
    weight: int = Field(ge=0)


class OperatorWeights(BaseModel):
    """The body that sets weights."""

    operator_weights: list[OperatorWeight]


class NewContact(BaseModel):
    """The body that registers a contact."""

    external_id: str
    source_code: str


def connected(url: str) -> Engine:
    """Return the database, with as many connections at the most as FastAPI has threads."""
    address = make_url(url)
    pool = {"pool_size": 20, "max_overflow": 20, "pool_timeout": SECONDS_TO_WAIT}
    if address.get_backend_name() != "sqlite":
        host = unquote(address.host or "")  # which may be the directory of a socket
        return create_engine(address.set(drivername="postgresql+psycopg", host=host), **pool)
    engine = create_engine(address, connect_args={"timeout": SECONDS_TO_WAIT}, **pool)
    event.listen(engine, "connect", lambda connection, _record: connection.execute("PRAGMA journal_mode=WAL"))
    return engine


engine = connected(os.environ.get("DATABASE_URL", "sqlite:///reference.db"))
make_session = sessionmaker(engine, expire_on_commit=False)
application = FastAPI(title="Contacts")


def one_session() -> Iterator[Session]:
    """Give the request a session of its own."""
    with make_session() as session:
        yield session


type Database = Annotated[Session, Depends(one_session)]


@application.post("/api/operators", status_code=201)
def create_operator(body: NewOperator, session: Database) -> dict[str, Any]:
    """Make an operator."""
    operator = Operator(**body.model_dump())
    session.add(operator)
    session.commit()
    return {"id": operator.id, **body.model_dump(), "load": 0}


@application.post("/api/sources", status_code=201)
def create_source(body: NewSource, session: Database) -> dict[str, Any]:
    """Make a source."""
    source = Source(**body.model_dump())
    session.add(source)
    session.commit()
    return {"id": source.id, **body.model_dump()}


@application.post("/api/sources/{source_id}/operators")
def set_weights(source_id: int, body: OperatorWeights, session: Database) -> OperatorWeights:
    """Set the weights of a source."""
    for given in body.operator_weights:
        session.merge(Weight(source_id=source_id, **given.model_dump()))
    session.commit()
    return body


@application.post("/api/contacts", status_code=201)
def register_contact(body: NewContact, session: Database) -> dict[str, Any]:
    """Find or create the lead, draw an operator by weight, and store the contact."""
    source_id = session.scalar(select(Source.id).where(Source.code == body.source_code))
    if source_id is None:
        raise HTTPException(400, "There is no such source.")
    lead_id = found_or_created(body.external_id, session)
    operator_id = drawn(source_id, session)
    contact = Contact(
        lead_id=lead_id,
        source_id=source_id,
        operator_id=operator_id,
        status="waiting" if operator_id is None else "active",
    )
    session.add(contact)
    session.commit()
    return {
        "id": contact.id,
        "external_id": body.external_id,
        "lead_id": lead_id,
        "source_id": source_id,
        "source_code": body.source_code,
        "operator_id": operator_id,
        "status": contact.status,
        "created_at": contact.created_at,
    }


def found_or_created(external_id: str, session: Session) -> int:
    """Return the id of the lead."""
    known = select(Lead.id).where(Lead.external_id == external_id)
    lead_id = session.scalar(known)
    if lead_id is not None:
        return lead_id
    lead = Lead(external_id=external_id)
    session.add(lead)
    try:
        session.flush()
    except IntegrityError:  # another request was faster
        session.rollback()
        return session.scalars(known).one()
    return lead.id


def drawn(source_id: int, session: Session) -> int | None:
    """Return an operator below their limit, drawn by weight, if there is any."""
    load = func.count(Contact.operator_id)
    candidates = session.execute(
        select(Operator.id, Weight.weight)
        .join(Weight, Weight.operator_id == Operator.id)
        .outerjoin(Contact, (Contact.operator_id == Operator.id) & (Contact.status == "active"))
        .where(Weight.source_id == source_id, Weight.weight > 0, Operator.is_active)
        .group_by(Operator.id, Weight.weight)
        .having(load < Operator.max_load)
    ).all()
    if not candidates:
        return None
    operator_ids, weights = zip(*candidates, strict=True)
    operator_id: int = random.choices(operator_ids, weights)[0]
    return operator_id


if __name__ == "__main__":
    Base.metadata.create_all(engine)
