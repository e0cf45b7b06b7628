"""The main job, told through the API: train, buy, generate, be refused, verify."""

import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from demo.client import Client, sign_up
from demo.screen import Screen
from demo.system import System

IMAGES = Path(__file__).resolve().parent / "images"
STYLES = {"retina": 60, "deep-field": 40}  # name: price of a picture in tokens
PROMPT = "a lighthouse above a quiet sea, 등대 🌊"
SEEDS = (1, 2, 3, 4)
TRAINING_SECONDS = 180
GENERATION_SECONDS = 120
PROJECTION_SECONDS = 10
ENDED = {"completed", "failed", "canceled", "expired"}


@dataclass
class Story:
    """Tells the story on a running system; what was made lies in `folder`."""

    system: System
    folder: Path
    screen: Screen
    made: dict[str, list[Path]] = field(default_factory=dict)

    def tell(self) -> None:
        """Run every step; raises on the first that does not go as told."""
        url = self.system.url
        key = self.system.must_manage("accounts", "create", "--role", "operator", "olga").strip()
        operator = Client(url, key)
        self.screen.step("Ada, an artist, and Ben, a user, sign up and get 100 welcome tokens each")
        ada, ben = sign_up(url, "ada"), sign_up(url, "ben")
        self.balance(ada, "Ada has her welcome tokens", 100)
        ada.post(
            "/api/users/me/upgrade-to-artist/",
            {"artist_name": "Ada", "verified_email": "ada@example.org"},
            status=200,
        )
        ada_id = ada.get("/api/users/me/")["id"]
        grant = {"user_id": ada_id, "amount": 100, "reason": "second_training"}
        operator.post("/api/tokens/grants/", grant)
        styles = {name: self.train(ada, name, price) for name, price in STYLES.items()}
        self.balance(ada, "Two trainings at 100 tokens are paid for", 0)
        self.buy(ben)
        for name, style_id in styles.items():
            self.paint(ben, name, style_id)
        spent = sum(STYLES.values()) * len(SEEDS)
        self.balance(ben, f"Ben paid {spent} tokens for {2 * len(SEEDS)} pictures", 600 - spent)
        self.repeat(ben, styles["retina"])
        self.survive(ben, styles["retina"])
        self.cancel(ben, styles["retina"])
        self.system.start_worker("successor")
        self.refuse(ben, styles["retina"])
        self.send(ben, ada_id)
        self.statements({"ada": ada, "ben": ben})

    def balance(self, client: Client, claim: str, expected: int) -> None:
        """Check what can be spent, and that nothing is held."""
        answer = client.get("/api/tokens/balance/")
        told = f"{answer['available']} spendable, {answer['held']} held"
        self.screen.check(claim, (answer["available"], answer["held"]) == (expected, 0), told)

    def train(self, ada: Client, name: str, price: int) -> str:
        """Draft a style with its twelve pictures and train it."""
        self.screen.step(f"Ada uploads twelve pictures and trains the style {name!r}")
        paths = sorted((IMAGES / name).glob("*.jpg"))
        files = [("training_images", (path.name, path.read_bytes())) for path in paths]
        form = {"name": name, "description": "", "generation_cost_tokens": str(price)}
        style = ada.post("/api/styles/", files=files, data=form)
        self.screen.check("Every picture was checked and kept", style["image_count"] == len(paths))
        ada.post(f"/api/styles/{style['id']}/train/", {"epochs": 60}, status=200)
        with self.screen.bar(f"training {name}") as bar:
            path = f"/api/styles/{style['id']}/progress/"
            progress = self.follow(ada, path, bar, "training_status", TRAINING_SECONDS)
        self.screen.check(f"{name!r} is trained", progress["training_status"] == "completed")
        return str(style["id"])

    def follow(self, client: Client, path: str, bar: Any, field: str, seconds: float) -> Any:
        """Show a job's progress until it has ended; return its last answer."""
        deadline = time.monotonic() + seconds
        while True:
            self.system.check_alive()
            answer = client.get(path)
            bar(answer["progress"])
            if answer[field] in ENDED or time.monotonic() > deadline:
                return answer
            time.sleep(0.25)

    def buy(self, ben: Client) -> None:
        """Buy a package; the sandbox provider confirms by its signed webhook."""
        self.screen.step("Ben buys 500 tokens; the sandbox provider confirms by signed webhook")
        purchase = ben.post("/api/tokens/purchases/", {"package": "starter"})
        for _ in range(2):  # the provider may well report twice
            pay = purchase["pay_url"].removeprefix(self.system.url)
            ben.post(pay, {"outcome": "paid"}, status=200)
        self.balance(ben, "The tokens came once, though the payment was reported twice", 600)

    def paint(self, ben: Client, name: str, style_id: str) -> None:
        """Order pictures in a style, follow them, and fetch the results."""
        self.screen.step(f"Ben orders {len(SEEDS)} pictures in the style {name!r}")
        quote = ben.post("/api/generations/quote/", {"style_id": style_id}, status=200)
        self.screen.check("The quote is exact", quote["price"] == STYLES[name])
        jobs = [self.order(ben, style_id, seed) for seed in SEEDS]
        self.made[name] = []
        for seed, job in zip(SEEDS, jobs, strict=True):
            with self.screen.bar(f"painting {name}, seed {seed}") as bar:
                path = f"/api/generations/{job['id']}/"
                done = self.follow(ben, path, bar, "status", GENERATION_SECONDS)
            billing = done["billing"]
            is_paid = (billing["state"], billing["captured"]) == ("captured", STYLES[name])
            self.screen.check(
                f"Seed {seed}: painted, checked and paid for",
                done["status"] == "completed" and is_paid and done["prompt"] == PROMPT,
                f"{done['status']}, {billing['state']}",
            )
            self.fetch(name, seed, done["result"]["url"])

    def order(self, ben: Client, style_id: str, seed: int, prompt: str = PROMPT) -> Any:
        """Order one picture."""
        body = {"style_id": style_id, "prompt": prompt, "parameters": {"seed": seed}}
        return ben.post("/api/generations/", body)

    def fetch(self, name: str, seed: int, url: str) -> None:
        """Download a result by its signed link."""
        answer = requests.get(url, timeout=60)
        answer.raise_for_status()
        path = self.folder / "pictures" / f"{name}-seed-{seed}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(answer.content)
        self.made[name].append(path)

    def repeat(self, ben: Client, style_id: str) -> None:
        """Send one request twice with one key: one job, one charge."""
        self.screen.step("Ben's app sends one order twice with one Idempotency-Key")
        before = ben.get("/api/tokens/balance/")["balance"]
        body = {"style_id": style_id, "prompt": PROMPT, "parameters": {"seed": 99}}
        first, second = (
            ben.send("POST", "/api/generations/", json=body, idempotency_key="only-once")
            for _ in range(2)
        )
        is_same = first.json()["id"] == second.json()["id"]
        replayed = second.headers.get("Idempotent-Replayed") == "true"
        self.screen.check("Both answers name the same job", is_same and replayed)
        done = ben.wait(f"/api/generations/{first.json()['id']}/", "status", ENDED, 120)
        after = ben.get("/api/tokens/balance/")["balance"]
        paid = before - after == STYLES["retina"]
        self.screen.check("It was charged once", paid and done["status"] == "completed")

    def survive(self, ben: Client, style_id: str) -> None:
        """A worker is killed in the middle of a picture: another makes it, and it costs once."""
        self.screen.step("A worker is killed in mid-job; the picture is made by another")
        before = ben.get("/api/tokens/balance/")["balance"]
        self.system.end_worker("reference")
        self.system.start_worker("doomed", f"{sys.executable} -m demo.doomed")
        path = f"/api/generations/{self.order(ben, style_id, 5)['id']}/"
        ben.wait(path, "status", {"processing"}, GENERATION_SECONDS)
        self.system.end_worker("doomed", kill=True)
        self.screen.console.print("    killed; its lease runs out, then the job is tried again")
        ben.wait(path, "attempts", {2}, GENERATION_SECONDS)
        self.system.start_worker("rescuer")
        done = ben.wait(path, "status", ENDED, GENERATION_SECONDS)
        paid = before - ben.get("/api/tokens/balance/")["balance"]
        self.screen.check(
            "The second attempt made it, and it was charged once",
            (done["status"], done["attempts"], paid) == ("completed", 2, STYLES["retina"]),
            f"{done['status']} after {done['attempts']} attempts, {paid} tokens",
        )
        self.system.end_worker("rescuer")

    def cancel(self, ben: Client, style_id: str) -> None:
        """While no worker is there, Ben asks what a cancel would give back, and cancels."""
        self.screen.step("No worker is there: Ben looks at what a cancel gives back, and cancels")
        before = ben.get("/api/tokens/balance/")["balance"]
        path = f"/api/generations/{self.order(ben, style_id, 6)['id']}/"
        preview = ben.get(f"{path}cancel-preview/")
        self.screen.check(
            f"The preview promises {STYLES['retina']} tokens, at once",
            (preview["is_immediate"], preview["released"]) == (True, STYLES["retina"]),
        )
        canceled = ben.post(f"{path}cancel/", status=200)
        after = ben.get("/api/tokens/balance/")["balance"]
        self.screen.check(
            "Canceled, and the tokens are back",
            (canceled["status"], after) == ("canceled", before),
        )

    def refuse(self, ben: Client, style_id: str) -> None:
        """A prompt that the worker refuses, and an order beyond the balance."""
        self.screen.step("The worker's moderation refuses a prompt: the hold is released")
        before = ben.get("/api/tokens/balance/")["balance"]
        job = self.order(ben, style_id, 7, prompt="gore")
        done = ben.wait(f"/api/generations/{job['id']}/", "status", ENDED, 120)
        self.screen.check(
            "The job failed with code 'moderation' and cost nothing",
            (done["status"], done["error"]["code"], done["billing"]["state"])
            == ("failed", "moderation", "released")
            and ben.get("/api/tokens/balance/")["balance"] == before,
            f"{done['status']}, {done['error']}, {done['billing']['state']}",
        )
        self.screen.step("Ben orders more than he can pay for: 402, nothing is written")
        last = []
        while ben.get("/api/tokens/balance/")["balance"] >= STYLES["retina"]:
            last.append(self.order(ben, style_id, 8))
        body = {"style_id": style_id, "prompt": PROMPT}
        refused = ben.send("POST", "/api/generations/", json=body)
        error = refused.json()["error"]
        self.screen.check(
            "The order is refused with 402",
            (refused.status_code, error["code"]) == (402, "insufficient_tokens"),
            str(error["details"]),
        )
        self.settle(ben, last)

    def settle(self, ben: Client, jobs: list[Any]) -> None:
        """Wait until these last jobs of Ben's have ended; the others have ended before."""
        for job in jobs:
            ben.wait(f"/api/generations/{job['id']}/", "status", ENDED, 120)
        held = ben.get("/api/tokens/balance/")["held"]
        self.screen.check("No finished job holds a token", held == 0)

    def send(self, ben: Client, ada_id: str) -> None:
        """A transfer beyond the balance is refused."""
        self.screen.step("Ben tries to send Ada a thousand tokens that he does not have")
        body = {"recipient_id": ada_id, "amount": 1_000}
        refused = ben.send("POST", "/api/tokens/transfers/", json=body)
        self.screen.check("The overdraft is refused", refused.status_code == 402)

    def statements(self, clients: dict[str, Client]) -> None:
        """Write each person's statement, oldest first."""
        for name, client in clients.items():
            balance = client.get("/api/tokens/balance/")["balance"]
            page = self.statement(client, balance)
            lines = [
                f"{row['created_at']}  {row['type']:<10} {row['amount']:>+6} {row['colour']:<6}"
                f" -> {row['balance_after']:>6}  {row['related']['kind']} {row['related']['id']}"
                for row in reversed(page["results"])
            ]
            (self.folder / f"statement-{name}.txt").write_text("\n".join(lines) + "\n")
            last = page["results"][0]["balance_after"]
            self.screen.check(f"{name.title()}'s statement ends at the balance", last == balance)

    def statement(self, client: Client, balance: int) -> Any:
        """Return the newest page of a statement, which follows the balance a moment later."""
        deadline = time.monotonic() + PROJECTION_SECONDS
        while True:
            page = client.get("/api/tokens/transactions/?limit=100")
            is_there = page["results"][0]["balance_after"] == balance
            if is_there or time.monotonic() > deadline:
                return page
            time.sleep(0.1)
