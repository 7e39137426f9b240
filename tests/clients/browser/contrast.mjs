// The contrast of a text with what is behind it (WCAG 2.2, success criterion 1.4.3).
export function contrast(page, selector) {
  return page.locator(selector).first().evaluate((element) => {
    const canvas = Object.assign(document.createElement('canvas'), { width: 1, height: 1 }).getContext('2d', { willReadFrequently: true });
    const paint = (colours) => {
      canvas.clearRect(0, 0, 1, 1);
      for (const colour of colours) {
        canvas.fillStyle = colour;
        canvas.fillRect(0, 0, 1, 1);
      }
      return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
    };
    const behind = [];
    for (let at = element; at; at = at.parentElement) behind.unshift(getComputedStyle(at).backgroundColor);
    const luminance = (colour) => {
      const [red, green, blue] = colour.map((part) => part / 255).map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
      return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    };
    const text = luminance(paint([...behind, getComputedStyle(element).color]));
    const ground = luminance(paint(behind));
    return (Math.max(text, ground) + 0.05) / (Math.min(text, ground) + 0.05);
  });
}
