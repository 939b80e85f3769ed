"""A week in the life of an invented company: people, sources and contacts, in Russian, to look around in."""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from random import Random
from typing import Any

from django.db import transaction
from django.db.models import Min, OuterRef, Subquery
from django.utils import timezone

from crm_project.access.acting import because
from distribution.handling import close_contact
from distribution.intake import Intake, register_contact
from distribution.models import Decision, Event, LoadChange, SettingChange
from distribution.roster import change_operator, change_source, create_operator, create_source, set_weights
from leads.models import Contact, Lead, Source
from operators.models import Operator

TELLER = "command:demo"  # who signs what the command sets
LENGTH = timedelta(days=7)
USUALLY_TAKEN = 0.65
RUSH = 0.45
RUSH_LENGTH = timedelta(minutes=40)
SATURDAY = 5
LIMITS = {
    "Анна Б.": 12,
    "Борис Д.": 10,
    "Вера К.": 8,
    "Глеб М.": 12,
    "Дарья Н.": 10,
    "Егор П.": 6,
    "Жанна Р.": 9,
    "Игорь С.": 8,
    "Ксения Т.": 4,
    "Лев Ф.": 5,
}
PLACES = sum(LIMITS.values())
ON_HOLIDAY = "Вера К."
ON_A_BREAK = "Ксения Т."
SOURCES = {
    "bot_telegram": "Telegram-бот",
    "site_form": "Форма на сайте",
    "callback": "Обратный звонок",
    "email": "Почта",
    "market": "Маркетплейс",
    "old_chat": "Старый чат",
}
SWITCHED_OFF = "old_chat"
CHATS = {"bot_telegram": "https://chat.example.com/telegram/{external_id}"}
WEIGHTS = {
    "bot_telegram": {"Анна Б.": 30, "Борис Д.": 10, "Глеб М.": 30, "Дарья Н.": 20},
    "site_form": {"Анна Б.": 10, "Вера К.": 20, "Дарья Н.": 20, "Егор П.": 10, "Игорь С.": 0},
    "callback": {"Борис Д.": 10, "Глеб М.": 20, "Жанна Р.": 30, "Игорь С.": 10},
    "email": {"Вера К.": 10, "Жанна Р.": 10, "Игорь С.": 10},
    "market": {"Ксения Т.": 10, "Лев Ф.": 30},
    "old_chat": {"Анна Б.": 10, "Борис Д.": 10},
}
POPULARITY = {"bot_telegram": 40, "site_form": 25, "callback": 12, "email": 8, "market": 12, "old_chat": 3}
IN_THE_RUSH = {"callback": 50, "email": 30, "bot_telegram": 10, "market": 10}
FIRST_NAMES = (
    *("Александра", "Алексей", "Алина", "Виктор", "Галина", "Денис", "Елена", "Зоя", "Иван", "Инна"),
    *("Кирилл", "Лариса", "Максим", "Нина", "Олег", "Полина", "Роман", "Светлана", "Тимур", "Юлия"),
)
TEXTS = (
    "Здравствуйте! Когда привезут заказ?",
    "Добрый день. Можно ли изменить адрес доставки?",
    "Не приходит код подтверждения.",
    "Хочу вернуть товар, что для этого нужно?",
    "Подскажите, есть ли размер 42 в наличии?",
    "Оплата прошла, а заказ всё ещё не оплачен.",
    "Перезвоните мне, пожалуйста, после 18 часов.",
    "Сколько стоит доставка в другой город?",
    "Нужен счёт на организацию.",
    "Как получить скидку постоянного покупателя?",
    "Курьер не приехал, жду второй день.",
    "Спасибо, всё получили! Есть вопрос по гарантии.",
)


@dataclass(frozen=True)
class Change:
    """What a supervisor sets so long after the beginning, and why."""

    after: timedelta
    reason: str
    make: Callable[[], object]


CHANGES = (
    Change(
        timedelta(days=1, hours=10),
        "Глеб вернулся с обучения",
        lambda: set_weights(source("bot_telegram").pk, {operator("Глеб М.").pk: 40}),
    ),
    Change(
        timedelta(days=2, hours=9),
        "Успевает больше других",
        lambda: change_operator(operator("Глеб М.").pk, max_load=15),
    ),
    Change(
        timedelta(days=3, hours=11),
        "Вдвоём – поровну по загрузке",
        lambda: change_source(source("market").pk, strategy="least_loaded"),
    ),
    Change(
        timedelta(days=5, hours=10),
        "Вечером у Игоря свободно",
        lambda: set_weights(source("callback").pk, {operator("Игорь С.").pk: 20}),
    ),
)


class Diary:
    """Which moment of the story was told at which moment of the clock."""

    def __init__(self) -> None:
        self._clock: list[datetime] = []
        self._story: list[datetime] = []

    def turn_to(self, moment: datetime) -> None:
        """Let the story go on at `moment`."""
        self._clock.append(timezone.now())
        self._story.append(moment)

    def moment_of(self, time: datetime) -> datetime:
        """Return when in the story that happened which the database has at `time`."""
        return self._story[max(bisect_right(self._clock, time) - 1, 0)]


class Demo:
    """The week, told through the services: who is drawn is left to the draw, all else repeats with the seed."""

    def __init__(self, contacts: int, seed: int) -> None:
        self._random = Random(seed)
        self._contacts = contacts
        self._open = 0
        self._diary = Diary()
        self._end = timezone.now()
        self._start = self._end - LENGTH

    def run(self) -> Iterator[None]:
        """Make the people, then the contacts one by one, with a step for each of them."""
        self._diary.turn_to(self._start)
        make_people()
        changes = list(CHANGES)
        moments = [*self._moments(), self._end]
        for number, (moment, following) in enumerate(pairwise(moments)):
            self._diary.turn_to(moment)
            while changes and self._start + changes[0].after <= moment:
                make_change(changes.pop(0))
            self._contact_arrives(number)
            self._close_down_to(self._wanted_open(number), moment, following)
            yield
        self._diary.turn_to(self._end)
        people_leave()

    @transaction.atomic
    def set_back_times(self) -> None:
        """Move everything from the minute it was made in to its moment in the story."""
        contacts = list(Contact.objects.only("created_at", "assigned_at", "closed_at"))
        for contact in contacts:
            contact.created_at = self._diary.moment_of(contact.created_at)
            contact.assigned_at = contact.assigned_at and self._diary.moment_of(contact.assigned_at)
            contact.closed_at = contact.closed_at and self._diary.moment_of(contact.closed_at)
        Contact.objects.bulk_update(contacts, ["created_at", "assigned_at", "closed_at"], batch_size=500)
        for model in (Decision, LoadChange, SettingChange, Event):
            self._set_back(model)
        Operator.objects.update(created_at=self._start, limit_set_at=self._start)
        Source.objects.update(created_at=self._start)
        first = Contact.objects.filter(lead=OuterRef("pk")).values("lead").values(first=Min("created_at"))
        Lead.objects.update(created_at=Subquery(first))

    def _set_back(self, model: Any) -> None:
        records = list(model.objects.only("at"))
        for record in records:
            record.at = self._diary.moment_of(record.at)
        model.objects.bulk_update(records, ["at"], batch_size=500)

    def _moments(self) -> list[datetime]:
        """Return when the contacts arrive: by day more than by night, less on weekends, at last in a rush."""
        begins = self._end - RUSH_LENGTH
        hours = [self._start + timedelta(hours=hour) for hour in range((LENGTH - RUSH_LENGTH) // timedelta(hours=1))]
        weights = [rush(timezone.localtime(hour)) for hour in hours]
        chosen = self._random.choices(hours, weights, k=self._contacts - self._in_rush)
        ordinary = [hour + timedelta(seconds=self._random.uniform(0, 3600)) for hour in chosen]
        return sorted([*ordinary, *(begins + RUSH_LENGTH * self._random.random() for _ in range(self._in_rush))])

    @property
    def _in_rush(self) -> int:
        return int(min(RUSH * PLACES, self._contacts / 5))

    def _is_rush(self, number: int) -> bool:
        return number >= self._contacts - self._in_rush

    def _contact_arrives(self, number: int) -> None:
        popularity = IN_THE_RUSH if self._is_rush(number) else POPULARITY
        register_contact(random_intake(self._random, popularity, self._contacts * 3 // 5 + 1))
        self._open += 1

    def _wanted_open(self, number: int) -> float:
        """Return how many stay open after this contact: a usual day's work, until the rush fills the queue."""
        return self._contacts if self._is_rush(number) else min(USUALLY_TAKEN * PLACES, self._contacts / 4)

    def _close_down_to(self, wanted: float, moment: datetime, following: datetime) -> None:
        while self._open > wanted:
            active = list(Contact.objects.active().order_by("assigned_at").values_list("pk", flat=True))
            self._diary.turn_to(moment + (following - moment) * self._random.random())
            close_contact(self._random.choice(active[: len(active) // 2 + 1]))
            self._open -= 1


def random_intake(random: Random, popularity: Mapping[str, int], people: int) -> Intake:
    """Return what one of so many people writes to a source; popularity is by code of source."""
    (code,) = random.choices(list(popularity), list(popularity.values()))
    person = random.randrange(people)
    return Intake(
        source_code=code,
        external_id=f"user_{1000 + person}",
        name=FIRST_NAMES[person % len(FIRST_NAMES)],
        phone=f"+7 000 {person // 10_000:03}-{person // 100 % 100:02}-{person % 100:02}",
        email=f"user{1000 + person}@example.com" if code == "email" else "",
        text=random.choice(TEXTS),
        data={"page": f"/catalog/{random.randint(1, 99)}"} if code == "site_form" else {},
    )


def make_people() -> None:
    """Store the operators, the sources and their weights."""
    operators = {name: create_operator(name=name, max_load=limit).pk for name, limit in LIMITS.items()}
    for code, name in SOURCES.items():
        created = create_source(code=code, name=name, link_template=CHATS.get(code, ""))
        set_weights(created.pk, {operators[one]: weight for one, weight in WEIGHTS[code].items()})


def make_change(change: Change) -> None:
    """Set what a supervisor sets, with the reason they give."""
    with because(change.reason):
        change.make()


def people_leave() -> None:
    """Let somebody go on holiday and somebody take a break, and switch off a source."""
    with because("В отпуске до понедельника"):
        change_operator(operator(ON_HOLIDAY).pk, is_active=False)
    change_operator(operator(ON_A_BREAK).pk, is_paused=True)
    with because("Переехал в Telegram"):
        change_source(source(SWITCHED_OFF).pk, is_active=False)


def operator(name: str) -> Operator:
    """Return one of the operators of the story."""
    return Operator.objects.get(name=name)


def source(code: str) -> Source:
    """Return one of the sources of the story."""
    return Source.objects.get(code=code)


def rush(moment: datetime) -> int:
    """Return how many contacts, compared with other hours, arrive in the hour of `moment`."""
    by_day = 10 if 9 <= moment.hour < 21 else 1
    return by_day if moment.weekday() >= SATURDAY else 2 * by_day


def is_empty() -> bool:
    """Return whether the database holds no operator, source or contact that a demo would mix with."""
    return not any(model.objects.exists() for model in (Operator, Source, Contact))


def is_told() -> bool:
    """Return whether the database holds the whole story.

    The command that tells it signs what it sets, and makes the operator's account at its end.
    """
    return SettingChange.objects.filter(actor=TELLER).exists() and Operator.objects.exclude(user=None).exists()
