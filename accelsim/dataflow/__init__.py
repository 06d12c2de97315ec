"""How a layer is executed: schedules, their SRAM need, their traffic."""
