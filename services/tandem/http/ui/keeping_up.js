// Looks again every few seconds, for as long as something is open, the view is shown and the tab is seen.

const EVERY_MS = 4000;

export class KeepingUp {
  #look;
  #timer = 0;
  #round = 0;
  #on = false;

  // `look()` draws what there is now, and says whether something may still change.
  constructor(look) {
    this.#look = look;
    document.addEventListener("visibilitychange", () => { if (this.#on && !document.hidden) this.start(); });
  }

  async start() {
    this.stop();
    this.#on = true;
    const mine = this.#round;
    const more = await this.#look();
    if (more && mine === this.#round && !document.hidden) this.#timer = setTimeout(() => this.start(), EVERY_MS);
  }

  stop() {
    clearTimeout(this.#timer);
    this.#round += 1;
    this.#on = false;
  }
}
