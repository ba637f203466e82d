// stub
export const asText = () => ""; export const writeReport = () => [];
