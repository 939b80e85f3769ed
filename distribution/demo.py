"""A week in the life of an invented company: people, sources and contacts, in Russian, to look around in."""

from bisect import bisect_right
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from random import Random
from typing import Any

from django.db import transaction
from django.db.models import Min, OuterRef, Subquery
from django.utils import timezone

from distribution.handling import close_contact
from distribution.intake import Intake, register_contact
from distribution.models import Decision, LoadChange, SettingChange
from distribution.roster import change_operator, change_source, create_operator, create_source, set_weights
from leads.models import Contact, Lead, Source
from operators.models import Operator

LENGTH = timedelta(days=7)
USUALLY_TAKEN = 0.8
RUSH = 0.3
SATURDAY = 5
LIMITS = {
    "Анна Б.": 12,
    "Борис Д.": 10,
    "Вера К.": 8,
    "Глеб М.": 15,
    "Дарья Н.": 10,
    "Егор П.": 6,
    "Жанна Р.": 9,
    "Игорь С.": 8,
    "Ксения Т.": 4,
    "Лев Ф.": 5,
}
PLACES = sum(LIMITS.values())
ON_HOLIDAY = "Вера К."
SOURCES = {
    "bot_telegram": "Telegram-бот",
    "site_form": "Форма на сайте",
    "callback": "Обратный звонок",
    "email": "Почта",
    "market": "Маркетплейс",
    "old_chat": "Старый чат",
}
SWITCHED_OFF = "old_chat"
WEIGHTS = {
    "bot_telegram": {"Анна Б.": 30, "Борис Д.": 10, "Глеб М.": 40, "Дарья Н.": 20},
    "site_form": {"Анна Б.": 10, "Вера К.": 20, "Дарья Н.": 20, "Егор П.": 10, "Игорь С.": 0},
    "callback": {"Борис Д.": 10, "Глеб М.": 20, "Жанна Р.": 30, "Игорь С.": 20},
    "email": {"Вера К.": 10, "Жанна Р.": 10, "Игорь С.": 10},
    "market": {"Ксения Т.": 10, "Лев Ф.": 30},
    "old_chat": {"Анна Б.": 10, "Борис Д.": 10},
}
POPULARITY = {"bot_telegram": 40, "site_form": 25, "callback": 12, "email": 8, "market": 12, "old_chat": 3}
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
        moments = [*self._moments(), self._end]
        for number, (moment, following) in enumerate(pairwise(moments)):
            self._diary.turn_to(moment)
            self._contact_arrives()
            self._close_down_to(self._wanted_open(number), moment, following)
            yield
        self._diary.turn_to(self._end)
        change_operator(Operator.objects.get(name=ON_HOLIDAY).pk, is_active=False)
        change_source(Source.objects.get(code=SWITCHED_OFF).pk, is_active=False)

    @transaction.atomic
    def set_back_times(self) -> None:
        """Move everything from the minute it was made in to its moment in the story."""
        contacts = list(Contact.objects.only("created_at", "assigned_at", "closed_at"))
        for contact in contacts:
            contact.created_at = self._diary.moment_of(contact.created_at)
            contact.assigned_at = contact.assigned_at and self._diary.moment_of(contact.assigned_at)
            contact.closed_at = contact.closed_at and self._diary.moment_of(contact.closed_at)
        Contact.objects.bulk_update(contacts, ["created_at", "assigned_at", "closed_at"], batch_size=500)
        for model in (Decision, LoadChange, SettingChange):
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
        """Return when the contacts arrive: by day more than by night, less on weekends."""
        hours = [self._start + timedelta(hours=hour) for hour in range(LENGTH // timedelta(hours=1))]
        chosen = self._random.choices(hours, [rush(timezone.localtime(hour)) for hour in hours], k=self._contacts)
        return sorted(hour + timedelta(seconds=self._random.uniform(0, 3600)) for hour in chosen)

    def _contact_arrives(self) -> None:
        (code,) = self._random.choices(list(POPULARITY), list(POPULARITY.values()))
        person = self._random.randrange(self._contacts * 3 // 5 + 1)
        name = FIRST_NAMES[person % len(FIRST_NAMES)]
        intake = Intake(
            source_code=code,
            external_id=f"user_{1000 + person}",
            name=name,
            phone=f"+7 000 {person // 10_000:03}-{person // 100 % 100:02}-{person % 100:02}",
            email=f"user{1000 + person}@example.com" if code == "email" else "",
            text=self._random.choice(TEXTS),
            data={"page": f"/catalog/{self._random.randint(1, 99)}"} if code == "site_form" else {},
        )
        register_contact(intake)
        self._open += 1

    def _wanted_open(self, number: int) -> float:
        """Return how many stay open after this contact: a usual day's work, until the last ones fill the queue."""
        still_to_come = self._contacts - number - 1
        if still_to_come < min(RUSH * PLACES, self._contacts / 5):
            return self._contacts
        return min(USUALLY_TAKEN * PLACES, self._contacts / 4)

    def _close_down_to(self, wanted: float, moment: datetime, following: datetime) -> None:
        while self._open > wanted:
            active = list(Contact.objects.active().order_by("assigned_at").values_list("pk", flat=True))
            self._diary.turn_to(moment + (following - moment) * self._random.random())
            close_contact(self._random.choice(active[: len(active) // 2 + 1]))
            self._open -= 1


def make_people() -> None:
    """Store the operators, the sources and their weights."""
    operators = {name: create_operator(name=name, max_load=limit).pk for name, limit in LIMITS.items()}
    for code, name in SOURCES.items():
        source = create_source(code=code, name=name)
        set_weights(source.pk, {operators[operator]: weight for operator, weight in WEIGHTS[code].items()})


def rush(moment: datetime) -> int:
    """Return how many contacts, compared with other hours, arrive in the hour of `moment`."""
    by_day = 10 if 9 <= moment.hour < 21 else 1
    return by_day if moment.weekday() >= SATURDAY else 2 * by_day


def is_empty() -> bool:
    """Return whether the database holds no operator, source or contact that a demo would mix with."""
    return not any(model.objects.exists() for model in (Operator, Source, Contact))
