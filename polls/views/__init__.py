"""The pages. A view checks what it was sent, asks one question of the data layer, and renders afterwards."""
